package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

func wantWords(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

// sound checks after an accident that nothing was lost and nothing is stuck: the
// same tasks run, the remote is where it was, and a push goes through.
func (c *realCluster) sound(t *testing.T) func() {
	t.Helper()
	c.push(t, shop("e2e/app:1", 1))
	before, head := c.running(t), c.mustGit(t, "ls-remote", "swarm")
	if len(before) != 1 {
		t.Fatalf("%d tasks run", len(before))
	}
	return func() {
		t.Helper()
		if err := sameProcesses(before, c.running(t)); err != nil {
			t.Error(err)
		}
		if now := c.mustGit(t, "ls-remote", "swarm"); now != head {
			t.Errorf("the remote was at %s and is at %s", head, now)
		}
		out := c.push(t, map[string]string{"README.md": "still here\n"})
		wantWords(t, out, "NO CHANGES")
		head = c.mustGit(t, "ls-remote", "swarm")
	}
}

func TestMistakesInFilesAreRefused(t *testing.T) {
	c := theCluster(t)
	sound := c.sound(t)
	for _, bad := range []struct {
		name  string
		files map[string]string
		words []string
	}{
		{"broken YAML", map[string]string{"stacks/shop/stack.yml": "services:\n  web:\n    image: [e2e/app:1\n"},
			[]string{"stacks/shop/stack.yml:"}},
		{"aliases", map[string]string{"stacks/shop/stack.yml": manyAliases()},
			[]string{"stacks/shop/stack.yml"}},
		{"a missing env_file", map[string]string{"stacks/shop/stack.yml": "services:\n  web:\n    image: e2e/app:1\n    env_file: web.env\n"},
			[]string{"stacks/shop/stack.yml:4:15", "web.env"}},
		{"a missing config", map[string]string{"stacks/shop/stack.yml": "services:\n  web:\n    image: e2e/app:1\n    configs: [page]\nconfigs:\n  page:\n    file: page.html\n"},
			[]string{"stacks/shop/stack.yml:7:", "page.html"}},
		{"a binary", map[string]string{"stacks/shop/stack.yml": "\x7fELF\x02\x01\x01\x00\x00\xff\xfe"},
			[]string{"stacks/shop/stack.yml"}},
		{"no replicas", map[string]string{"stacks/shop/stack.yml": "services:\n  web:\n    image: e2e/app:1\n    deploy:\n      replicas: fife\n"},
			[]string{"stacks/shop/stack.yml:5:17: services.web.deploy.replicas:", `must be a whole number >= 0, got "fife"`, "refused: 1 problem."}},
	} {
		t.Run(bad.name, func(t *testing.T) {
			out := c.refused(t, bad.files)
			wantWords(t, out, append(bad.words, "refused", "[remote rejected] main -> main")...)
			sound()
		})
	}
}

// manyAliases is 10 MB of YAML that names one thing over and over.
func manyAliases() string {
	var b strings.Builder
	b.WriteString("x-a: &a [lol, lol]\nx-b: [*a")
	for b.Len() < 10<<20 {
		b.WriteString(", *a")
	}
	b.WriteString("]\nservices: {web: {image: e2e/app:1}}\n")
	return b.String()
}

func TestALinkOutOfTheRepositoryIsRefused(t *testing.T) {
	c := theCluster(t)
	sound := c.sound(t)
	link := filepath.Join(c.path("clone"), "stacks", "shop", "web.env")
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	out := c.refused(t, map[string]string{"stacks/shop/stack.yml": "services:\n  web:\n    image: e2e/app:1\n    env_file: web.env\n"})
	wantWords(t, out, "stacks/shop/stack.yml:4:15", "web.env", "refused")
	if strings.Contains(out, "root:") {
		t.Errorf("the refusal shows what is outside:\n%s", out)
	}
	sound()
}

// TestAnImageThatCannotRunPauses: the commit is in, the cause is named, and a fix
// overtakes.
func TestAnImageThatCannotRunPauses(t *testing.T) {
	for _, bad := range []struct{ name, was, is, cause string }{
		{"no such image", "e2e/app:1", "e2e.invalid/app:9", "e2e.invalid/app:9"},
		{"no such command", "command: [count]", "entrypoint: [/missing]", `"/missing"`},
	} {
		t.Run(bad.name, func(t *testing.T) {
			c := theCluster(t)
			c.push(t, shop("e2e/app:1", 2))
			files := shop("e2e/app:1", 2)
			files["stacks/shop/stack.yml"] = strings.Replace(files["stacks/shop/stack.yml"], bad.was, bad.is, 1)
			files["stacks/shop/stack.yml"] = strings.Replace(files["stacks/shop/stack.yml"], "parallelism: 0", "parallelism: 1", 1)
			out := c.push(t, files)
			wantWords(t, out, "paused:", bad.cause, "Still running: 0 new, ", "main -> main")
			if out, errs, code := c.swarmgit("wait"); code != 3 {
				t.Errorf("wait exits %d: %s%s", code, out, errs)
			}
			ps, _, _ := c.swarmgit("service", "ps", "--no-trunc", "shop_web")
			wantWords(t, ps, "Rejected", bad.cause)
			if revisions, _, _ := c.swarmgit("revisions", "-n", "1"); !strings.Contains(revisions, "paused") {
				t.Errorf("revisions:\n%s", revisions)
			}
			wantWords(t, c.push(t, shop("e2e/app:2", 2)), "healthy:")
			if running := c.running(t); len(running) != 2 {
				t.Errorf("%d tasks run after the fix", len(running))
			}
		})
	}
}

func TestPushesThatGitMayNotDo(t *testing.T) {
	c := theCluster(t)
	sound := c.sound(t)
	head := strings.TrimSpace(c.mustGit(t, "rev-parse", "HEAD"))
	refuse := func(words []string, args ...string) {
		t.Helper()
		out, err := c.git(append([]string{"push", "swarm"}, args...)...)
		if err == nil {
			t.Errorf("git push %v was taken:\n%s", args, out)
		}
		wantWords(t, out, words...)
	}
	refuse([]string{"main cannot be deleted", "the cluster follows main"}, ":main")
	c.mustGit(t, "tag", "v1")
	refuse([]string{"no tags"}, "v1")
	c.mustGit(t, "tag", "-d", "v1")
	refuse([]string{"remote rejected"}, "HEAD:one", "HEAD:two")
	c.commit(t, map[string]string{"x": "x"})
	refuse([]string{"hurry"}, "-o", "hurry", "main")
	c.mustGit(t, "reset", "--quiet", "--hard", "HEAD~2")
	c.commit(t, map[string]string{"y": "y"})
	refuse([]string{"not a fast-forward", "git pull --rebase"}, "--force", "main")
	c.mustGit(t, "reset", "--quiet", "--hard", head)
	sound()
}

func TestAPackThatIsTooLarge(t *testing.T) {
	c := theCluster(t)
	sound := c.sound(t)
	noise := make([]byte, 34<<20)
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(noise) // never fails, by its contract
	out := c.refused(t, map[string]string{"noise": string(noise)})
	wantWords(t, out, "32M")
	sound()
}

// TestAPushThatIsCut sends the beginning of a push and goes away.
func TestAPushThatIsCut(t *testing.T) {
	c := theCluster(t)
	sound := c.sound(t)
	old := strings.TrimSpace(c.mustGit(t, "rev-parse", "HEAD"))
	next := c.commit(t, shop("e2e/app:2", 3))
	pack := c.command("git", "pack-objects", "--stdout", "--revs", "--thin", "-q")
	pack.Stdin = strings.NewReader(next + "\n^" + old + "\n")
	objects, err := pack.Output()
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("%s %s refs/heads/main\x00 report-status side-band-64k", old, next)
	body := fmt.Appendf(nil, "%04x%s0000", len(line)+4, line)
	body = append(body, objects...)
	url := c.tokenURL(t)
	for _, sent := range []int{20, len(body) - len(objects), len(body) - len(objects)/2, len(body) - 1} {
		c.cutPost(t, url, body[:sent], len(body))
	}
	c.mustGit(t, "reset", "--quiet", "--hard", old)
	sound()
}

// tokenURL is the remote with a lasting token in it.
func (c *realCluster) tokenURL(t *testing.T) string {
	t.Helper()
	out, errs, code := c.swarmgit("git-url", "--with-token")
	if code != 0 {
		t.Fatal(errs)
	}
	return strings.TrimSpace(out)
}

// cutPost promises length bytes, sends fewer, and closes the connection.
func (c *realCluster) cutPost(t *testing.T, url string, sent []byte, length int) {
	t.Helper()
	request, err := http.NewRequest("POST", url+"/git-receive-pack", io.NopCloser(bytes.NewReader(nil)))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := request.URL.User.Password()
	conn, err := net.Dial("tcp", c.http)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request.SetBasicAuth("swarmgit", password)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: %d\r\n\r\n",
		request.URL.Path, c.http, request.Header.Get("Authorization"), length)
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
}

func TestAPushNeedsAToken(t *testing.T) {
	c := theCluster(t)
	sound := c.sound(t)
	reply, err := http.Get("http://" + c.http + "/git/main.git/info/refs?service=git-receive-pack")
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if reply.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %s", reply.Status)
	}
	out, err := c.git("-c", "credential.helper=", "push", "http://swarmgit:wrong@"+c.http+"/git/main.git", "main")
	if err == nil {
		t.Errorf("a wrong token was taken:\n%s", out)
	}
	sound()
}

// TestWhoIsBehindIsToldToFetch: two people push, one of them has not fetched.
func TestWhoIsBehindIsToldToFetch(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 1))
	other := c.path("other")
	defer os.RemoveAll(other)
	if out, err := exec.Command("git", "clone", "--quiet", c.tokenURL(t), other).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.push(t, shop("e2e/app:2", 1))
	late := c.command("git", "-C", other, "-c", "user.name=ben", "-c", "user.email=ben@example.com", "commit", "--quiet", "--allow-empty", "-m", "late")
	if out, err := late.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := c.command("git", "-C", other, "push", "origin", "main").CombinedOutput()
	if err == nil {
		t.Error("a push from behind was taken")
	}
	wantWords(t, string(out), "rejected", "fetch first")
	for _, task := range c.running(t) {
		if task.State != specs.StateRunning || task.Image != "e2e/app:2" {
			t.Errorf("%s runs %s", task.Name, task.Image)
		}
	}
}
