package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The commands that the page of the API shows do what they show, each as it
// stands there but for where this cluster listens.
func TestThePageOfTheAPI(t *testing.T) {
	needPrograms(t, "curl")
	page, err := os.ReadFile("../../reconciler/api/API.md")
	if err != nil {
		t.Fatal(err)
	}
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 1))
	token := c.viewerToken(t, "page")
	_, rest, _ := strings.Cut(string(page), "```sh\n")
	script, _, _ := strings.Cut(rest, "```")
	words := []string{"ok", `"leader"`, `"shop_web"`, `"hostname"`}
	for i, line := range strings.Split(strings.TrimSpace(script), "\n") {
		here := strings.NewReplacer("127.0.0.1:2378", c.http, "/run/swarmgit/swarmgit.sock", c.path("sock")).Replace(line)
		cmd := exec.Command("sh", "-c", here)
		cmd.Env = append(os.Environ(), "SWARMGIT_TOKEN="+token)
		out, err := cmd.CombinedOutput()
		if err != nil || i > 0 && !json.Valid(out) {
			t.Errorf("%s\n%v: %s", line, err, out)
			continue
		}
		wantWords(t, string(out), words[i])
	}
}
