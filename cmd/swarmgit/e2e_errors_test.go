package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var updateErrors = flag.Bool("update", false, "rewrite the answers in testdata/errors.txtar")

// errorsNeeded is how many different mistakes the transcript has at least.
const errorsNeeded = 60

// TestErrorsInWords makes the mistakes of testdata/errors.txtar, as people make
// them, and compares what they see. In the transcript "% " prepares and must go well,
// "$ " is the mistake, and what follows it is the answer and its exit status. The
// files of the archive are in $IN.
func TestErrorsInWords(t *testing.T) {
	needPrograms(t, "git", "setpriv")
	const golden = "testdata/errors.txtar"
	archive, err := txtar.ParseFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	s := newErrorShell(t, memoryCluster(t), archive.Files)
	var got strings.Builder
	count, before := 0, ""
	for line := range strings.Lines(string(archive.Comment)) {
		kind, command, _ := strings.Cut(line, " ")
		switch kind {
		case "$":
			count++
			answer, code := s.run(t, command)
			if code == 0 {
				t.Errorf("%sis no mistake:\n%s", line, answer)
			}
			wantGoodWords(t, line+answer)
			fmt.Fprintf(&got, "%s%s[%d]\n", line, answer, code)
		case "%":
			if out, code := s.run(t, command); code != 0 {
				t.Errorf("%sexits %d: %s", line, code, out)
			}
			got.WriteString(line)
		case "#":
			if before != "#" && before != "" {
				got.WriteString("\n")
			}
			got.WriteString(line)
		default: // an answer
			continue
		}
		before = kind
	}
	if count < errorsNeeded {
		t.Errorf("only %d mistakes", count)
	}
	if diff := cmp.Diff(string(archive.Comment), got.String()); diff != "" && !*updateErrors {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if archive.Comment = []byte(got.String()); *updateErrors {
		if err := os.WriteFile(golden, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// badWords are those of programs, not for people.
var badWords = regexp.MustCompile(`failed to|context (deadline|canceled)|goroutine|panic|%!|<nil>|\*\w+\.\w+|rpc error|EOF`)

// wantGoodWords wants what every message of UX.md has in common.
func wantGoodWords(t *testing.T, said string) {
	t.Helper()
	if bad := badWords.FindString(said); bad != "" {
		t.Errorf("%q in:\n%s", bad, said)
	}
	if strings.Count(said, "\n") < 2 {
		t.Errorf("nothing is said:\n%s", said)
	}
}

// errorShell is where the mistakes are made: the clone of a cluster's remote.
type errorShell struct {
	c        *realCluster
	env      []string
	preamble string
	varies   *strings.Replacer
}

// errorHelpers are what the preparations call. Of git only what the cluster says
// is compared: its own words differ by version.
const errorHelpers = `
put() { mkdir -p "$(dirname "$2")" && cp "$IN/$1" "$2"; }
commit() { git add --all && git commit --quiet --allow-empty -m "an edit"; }
take() { commit && command git push --quiet swarm HEAD:main >/dev/null 2>&1; }
undo() { command git reset --quiet --hard swarm/main && command git clean -fdq; }
sudo() { shift 2 && setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
git() {
	[ "$1" = push ] || { command git "$@"; return; }
	command git "$@" >"$OUT" 2>&1
	code=$?
	grep -E '^(remote:| ! )' "$OUT"
	return $code
}
`

func newErrorShell(t *testing.T, c *realCluster, files []txtar.File) *errorShell {
	t.Helper()
	bin, err := os.MkdirTemp("", "swarmgit-bin-") // that another user can read, too
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(bin) })
	if err := errors.Join(os.Chmod(bin, 0o755), copyProgram(filepath.Join(bin, "swarmgit"), executable())); err != nil {
		t.Fatal(err)
	}
	in := c.path("in")
	for _, f := range files {
		name := filepath.Join(in, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, f.Data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(c.http, ":")
	return &errorShell{
		c: c, preamble: errorHelpers,
		env:    append(c.env(), "PATH="+bin+":"+os.Getenv("PATH"), "IN="+in, "OUT="+c.path("out"), "HTTP="+c.http, "SOCKET="+c.path("sock"), "DATA="+c.path("data")),
		varies: strings.NewReplacer(c.http, "127.0.0.1:2378", ":"+port, ":2378", c.path("sock"), "/run/swarmgit/swarmgit.sock", c.path("clone"), "/home/ana/shop", c.path("in"), "/home/ana/in", c.dir, "/home/ana", hostname, "n1"),
	}
}

// run runs one line as a person's shell does, and returns what it shows without
// what varies.
func (s *errorShell) run(t *testing.T, line string) (said string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", s.preamble+line)
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.c.path("clone"), s.env, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with what the shell runs
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || ctx.Err() != nil {
		t.Fatalf("%s: %v, %v: %s", line, err, ctx.Err(), out)
	}
	return s.plain(string(bytes.TrimRight(out, "\n")) + "\n"), cmd.ProcessState.ExitCode()
}

// variable are the parts of messages that no two runs have in common.
var variable = []struct {
	form  *regexp.Regexp
	words string
}{
	{regexp.MustCompile(`\b[0-9a-f]{40}\b`), "7bd31c2000000000000000000000000000000000"},
	{regexp.MustCompile(`\b[0-9a-f]{7}\b`), "7bd31c2"},
	{regexp.MustCompile(`\b(SWMTKN|swarmgit)-[0-9a-z-]{20,}\b`), "$1-TOKEN"},
	{regexp.MustCompile(`\b[0-9a-z]{25}\b`), "p5stlzshu5x37rwxmap1jl09z"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]{4,5}`), "127.0.0.1:2377"},
	{regexp.MustCompile(`in use by \S+ \(pid [0-9]+\)`), "in use by nginx (pid 812)"},
}

func (s *errorShell) plain(text string) string {
	const people = "\x00"
	text = s.varies.Replace(text)
	text = strings.ReplaceAll(text, "127.0.0.1:2378", people)
	for _, v := range variable {
		text = v.form.ReplaceAllString(text, v.words)
	}
	return strings.ReplaceAll(clean(text), people, "127.0.0.1:2378")
}
