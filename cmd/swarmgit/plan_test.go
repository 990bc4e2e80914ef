package main

import (
	"os/exec"
	"strings"
	"testing"

	gitrepo "github.com/swarmgit/swarmgit/reconciler/git"
)

// The HEAD that a person means is that of the clone, where there is one.
func TestHEADIsTheClones(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=ana", "-c", "user.email=ana@example"}, args...)...)
		cmd.Env = gitrepo.Environment("HOME=" + dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got := hereRevision(t.Context(), dir, "main..HEAD"); got != "main..HEAD" {
		t.Errorf("outside of a repository: %s", got)
	}
	run("init", "-q", "-b", "main")
	run("commit", "-q", "--allow-empty", "-m", "one")
	one := run("rev-parse", "HEAD")
	run("commit", "-q", "--allow-empty", "-m", "two")
	two := run("rev-parse", "HEAD")
	for revision, want := range map[string]string{
		"": "", "main": "main", "HEADER": "HEADER", "main..review/debug": "main..review/debug",
		"HEAD": two, "main..HEAD": "main.." + two, "HEAD~1..@": one + ".." + two, "HEAD^": one, "@^..main": one + "..main", "HEAD~9": "HEAD~9",
	} {
		if got := hereRevision(t.Context(), dir, revision); got != want {
			t.Errorf("%s: got %s, want %s", revision, got, want)
		}
	}
}
