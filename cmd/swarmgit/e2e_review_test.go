package main

import (
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// workflow is what a runner reads of a workflow file.
type workflow struct {
	Jobs map[string]struct {
		If    string
		Steps []struct {
			Uses string
			Run  string
			Env  map[string]string
		}
	}
}

var expression = regexp.MustCompile(`\$\{\{ *([^}]*?) *\}\}`)

// runner is a machine that runs the workflows of a repository for one pull
// request, beside a clone of it.
type runner struct {
	c       *realCluster
	t       *testing.T
	forge   *forge
	context map[string]string // of expressions
}

// needPrograms skips a test that cannot run here; in CI that is a failure.
func needPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

func newRunner(t *testing.T, c *realCluster, f *forge, token string) *runner {
	t.Helper()
	if err := os.MkdirAll(c.path("bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(executable(), c.path("bin/swarmgit")); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	return &runner{c, t, f, map[string]string{
		"secrets.SWARMGIT_TOKEN": token, "github.api_url": f.URL + "/api", "github.token": f.token,
		"github.repository": "acme/shop", "github.event.pull_request.number": "7", "github.event.pull_request.head.sha": "c0ffee",
	}}
}

// run runs the steps of a workflow as a runner does, and returns what its log
// shows. Nothing of the runner's own environment reaches them.
func (r *runner) run(file string) (log string, ok bool) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.c.path("clone"), file))
	if err != nil {
		r.t.Fatal(err)
	}
	var flow workflow
	if err := yaml.Unmarshal(text, &flow); err != nil {
		r.t.Fatal(err)
	}
	ok = true
	for _, step := range flow.Jobs["plan"].Steps {
		if step.Run == "" {
			continue
		}
		cmd := exec.Command("sh", "-e", "-c", step.Run)
		cmd.Dir = r.c.path("clone")
		cmd.Env = []string{"PATH=" + r.c.path("bin") + ":" + os.Getenv("PATH"), "HOME=" + r.c.dir, asSwarmgit + "=1"}
		for name, value := range step.Env {
			cmd.Env = append(cmd.Env, name+"="+r.expand(value))
		}
		out, err := cmd.CombinedOutput()
		log, ok = log+string(out), ok && err == nil
	}
	for _, secret := range []string{r.context["secrets.SWARMGIT_TOKEN"], r.forge.token} {
		if strings.Contains(log+strings.Join(r.forge.by(r.forge.author), ""), secret) {
			r.t.Errorf("a token is shown:\n%s", log)
		}
	}
	return log, ok
}

func (r *runner) expand(value string) string {
	value = strings.ReplaceAll(value, "127.0.0.1:2378", r.c.http)
	return expression.ReplaceAllStringFunc(value, func(found string) string {
		name := expression.FindStringSubmatch(found)[1]
		known, ok := r.context[name]
		if !ok {
			r.t.Fatalf("%s: known are %v", found, slices.Sorted(maps.Keys(r.context)))
		}
		return known
	})
}

func (c *realCluster) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.path("clone"), name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// viewerToken makes a token that may look, and ends it with the test.
func (c *realCluster) viewerToken(t *testing.T, name string) string {
	t.Helper()
	return c.token(t, "viewer", name)
}

// token makes a token of a role, and ends it with the test.
func (c *realCluster) token(t *testing.T, role, name string) string {
	t.Helper()
	token, errs, code := c.swarmgit("token", "create", "--role", role, "--name", name, "--expires", "1h")
	if code != 0 || !strings.HasPrefix(token, "swarmgit-") {
		t.Fatalf("token create: %s%s", token, errs)
	}
	t.Cleanup(func() { c.swarmgit("token", "rm", name) })
	return strings.TrimSpace(token)
}

// The example of a pull request, from its workflow files to the forge's answers,
// against a cluster that runs something.
func TestPullRequest(t *testing.T) {
	needPrograms(t, "curl", "jq")
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	const stack = "stacks/shop/stack.yml"
	for _, part := range []string{"review", ".github", ".gitea"} {
		if err := errors.Join(os.RemoveAll(filepath.Join(c.path("clone"), part)), os.CopyFS(filepath.Join(c.path("clone"), part), os.DirFS(filepath.Join("../../examples/pull-request", part)))); err != nil {
			t.Fatal(err)
		}
	}
	for _, on := range []struct {
		name, file, author string
		pageSize           int
	}{
		{"GitHub", ".github/workflows/plan.yml", "github-actions[bot]", 2},
		{"Gitea", ".gitea/workflows/plan.yml", "gitea-actions", 0},
	} {
		t.Run(on.name, func(t *testing.T) {
			f := newForge(t, on.author, on.pageSize)
			r := newRunner(t, c, f, c.viewerToken(t, strings.ToLower(on.name)))
			run := func(ok bool, words ...string) {
				t.Helper()
				log, went := r.run(on.file)
				if went != ok {
					t.Fatalf("it succeeds: %v, not %v:\n%s", went, ok, log)
				}
				wantWords(t, log, words...)
			}
			f.add("mallory", "<!-- swarmgit-plan: prod -->\n### swarmgit plan: SAFE")
			f.add("ana", "looks good")
			f.add(on.author, "another job's comment")

			c.write(t, stack, shop("e2e/app:2", 3)[stack])
			run(true, "NEEDS ATTENTION")
			f.add("ana", "a comment after it")
			first := f.by(on.author)
			if len(first) != 2 {
				t.Fatalf("after the first run: %q", first)
			}
			wantWords(t, first[1], "<!-- swarmgit-plan: ", "**start 1, restart 2, stop 0, untouched 0**", "<code>shop</code>",
				"e2e/app:1 -> :2", stack+":", "Planned for c0ffee.")
			if got := f.last(); got != (forgeStatus{"c0ffee", "success", "swarmgit/plan", "NEEDS ATTENTION: start 1, restart 2, stop 0, untouched 0"}) {
				t.Errorf("status %+v", got)
			}
			f.called()

			c.write(t, stack, shop("e2e/app:1", 2)[stack])
			run(true, "NO CHANGES")
			if calls := f.called(); !strings.Contains(calls, "PATCH /api/repos/acme/shop/issues/comments/103") || strings.Contains(calls, "POST /api/repos/acme/shop/issues") {
				t.Errorf("the second run calls\n%s", calls)
			}
			second := f.by(on.author)
			if len(second) != 2 || second[0] != first[0] || !strings.Contains(second[1], "NO CHANGES") || f.by("mallory")[0] != "<!-- swarmgit-plan: prod -->\n### swarmgit plan: SAFE" {
				t.Errorf("after the second run: %q, %q", second, f.by("mallory"))
			}

			c.write(t, stack, "services: {web: {image: [}}")
			run(false, "REFUSED", "plan.sh: REFUSED: nothing was planned: 1 problem")
			if got := f.by(on.author); len(got) != 2 || !strings.Contains(got[1], "REFUSED") || f.last().State != "failure" {
				t.Errorf("of a mistake: %q, %+v", got, f.last())
			}

			f.refusal = "Resource not accessible by integration"
			run(false, "plan.sh: the forge refused GET ", ": HTTP 403: Resource not accessible by integration")
			good := r.context["secrets.SWARMGIT_TOKEN"]
			r.context["secrets.SWARMGIT_TOKEN"] = "swarmgit-guess"
			run(false, "a token is needed", "plan.sh: no plan could be made (exit status 1)")
			if f.last().State != "error" {
				t.Errorf("without a plan: %+v", f.last())
			}
			r.context["secrets.SWARMGIT_TOKEN"] = good
			if on.pageSize > 0 {
				f.elsewhere = "http://127.0.0.1:1"
				run(false, "the forge's next page is elsewhere: http://127.0.0.1:1/")
			}
			f.Close()
			run(false, "plan.sh: the forge cannot be reached: GET ")
		})
	}
}

// A branch is pushed for review; its plan is kept, and goes stale.
func TestReviewOfABranch(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	c.mustGit(t, "checkout", "--quiet", "-b", "review/two")
	commit := c.commit(t, shop("e2e/app:2", 2))
	c.mustGit(t, "push", "swarm", "review/two")
	c.mustGit(t, "checkout", "--quiet", "main")
	run := func(code int, args string, words ...string) string {
		t.Helper()
		out, errs, got := c.swarmgit(strings.Fields(args)...)
		if got != code {
			t.Errorf("%s exits %d, not %d", args, got, code)
		}
		wantWords(t, out+errs, words...)
		return out + errs
	}
	main := strings.TrimSpace(c.mustGit(t, "rev-parse", "--short=7", "HEAD"))
	run(0, "review ls", "BRANCH", "review/two", commit[:7], "NEEDS ATTENTION", main, "ana")
	if shown := run(0, "review show review/two", "Plan of review/two over main "+main, "restart 2", "e2e/app:1 -> :2"); strings.Contains(shown, "stale") {
		t.Errorf("it is stale:\n%s", shown)
	}
	run(0, "review show review/two -o markdown", "<!-- swarmgit-plan: ", "restart 2", "<details>")
	run(0, "plan --rev main..review/two -o markdown", "<!-- swarmgit-plan: ", "restart 2")
	run(1, "review show nothing", "no plan is kept of a branch nothing")
	run(1, "plan -o html", "--output html: use text, json or markdown")

	c.push(t, shop("e2e/app:3", 2))
	run(0, "review ls", main+" (stale)")
	run(0, "review show review/two", "stale: main was at "+main, "swarmgit plan --rev review/two", "e2e/app:1 -> :2")
	run(0, "plan --rev review/two", "e2e/app:3 -> :2")
	c.mustGit(t, "push", "swarm", "--delete", "review/two")
	if listed := run(0, "review ls"); strings.Contains(listed, "review/two") {
		t.Errorf("the plan of a deleted branch is listed:\n%s", listed)
	}
}

// What a viewer's token is good for, over HTTP: looking. Its plans neither check a
// guess of a secret nor have the manager ask any host.
func TestAViewersToken(t *testing.T) {
	c := theCluster(t)
	const stack = "stacks/shop/stack.yml"
	keyed := func(image, key string) map[string]string {
		return map[string]string{stack: shop(image, 1)[stack] + "\n    environment: {API_KEY: " + key + "}\n"}
	}
	c.push(t, keyed("e2e/app:1", "s3cret"))
	token := c.viewerToken(t, "looks")
	with := func(token string, code int, args string, words ...string) {
		t.Helper()
		cmd := c.command(executable(), strings.Fields(args)...)
		cmd.Env = append(cmd.Env, "SWARMGIT_HOST=http://"+c.http, "SWARMGIT_TOKEN="+token)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%s exits %d, not %d", args, got, code)
		}
		wantWords(t, string(out), words...)
	}
	with(token, 0, "status", "1 node ready")
	with(token, 0, "service ps shop_web", "shop_web.1", "Running")
	for _, guess := range []string{"s3cret", "guess"} {
		c.write(t, stack, keyed("e2e/app:1", guess)[stack])
		with(token, 0, "plan", "NO CHANGES", "what secrets hold is not compared")
	}
	c.write(t, stack, keyed("127.0.0.1:9/app:1", "s3cret")[stack])
	with(token, 0, "plan", "e2e/app:1 -> 127.0.0.1:9/app:1", "127.0.0.1:9/app:1: digest not\n", "no service and no login")
	with(token, 0, "wait")
	with(token, 1, "node update self --availability drain", "a token of the role viewer may look and plan, not this")
	with(token, 0, "events", "service   completed   shop_web")
	with(token, 1, "service restart shop_web", "a token of the role viewer may look and plan, not this")
	with(token, 1, "service logs shop_web", "a token of the role viewer may look and plan, not this")
	with(token, 1, "token ls", "this is answered over the daemon's own socket only")
	with(token, 125, "exec shop_web.1 /app version", "a token of the role viewer may look and plan, not this")
	with(c.token(t, "admin", "runs"), 0, "exec shop_web.1 /app version", "1")
	with("swarmgit-guess", 1, "status", "swarmgit: a token is needed")
	with("", 1, "status", "a token is needed in SWARMGIT_TOKEN")
	remote := "http://x:" + token + "@" + c.http + "/git/main.git"
	for _, args := range [][]string{{"ls-remote", remote}, {"push", remote, "HEAD:refs/heads/looks"}} {
		if out, err := c.git(args...); err == nil || !strings.Contains(out, "403") {
			t.Errorf("git %s: %v: %s", args[0], err, out)
		}
	}
	out, _, _ := c.swarmgit("token", "ls")
	wantWords(t, out, "NAME", "ROLE", "looks", "viewer", "in ")
	if strings.Contains(out, token) {
		t.Errorf("the token is listed:\n%s", out)
	}
	follows := c.command(executable(), "events", "-f")
	follows.Env = append(follows.Env, "SWARMGIT_HOST=http://"+c.http, "SWARMGIT_TOKEN="+token)
	var said strings.Builder
	follows.Stderr = &said
	events, err := follows.StdoutPipe()
	if err == nil {
		err = follows.Start()
	}
	if err == nil {
		_, err = events.Read(make([]byte, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, errs, code := c.swarmgit("token", "rm", "looks"); code != 0 {
		t.Error(errs)
	}
	_, _ = io.Copy(io.Discard, events)
	_ = follows.Wait()
	wantWords(t, said.String(), "the token was removed or has expired, and what it began has ended")
	with(token, 1, "status", "swarmgit: a token is needed")
}
