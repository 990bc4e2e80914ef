package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

// TestScripts are the commands that need no daemon.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, Cmds: scriptCommands, Setup: func(env *testscript.Env) error {
		env.Setenv(asSwarmgit, "1")
		env.Setenv("SWARMGIT_HOST", filepath.Join(env.WorkDir, "nobody.sock"))
		return nil
	}})
}

func TestEveryCommandHasAnExample(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		if help := c.UsageString(); !strings.Contains(help, "\nExamples:\n") || !strings.Contains(c.Example, "swarmgit") {
			t.Errorf("%s --help has no example", c.CommandPath())
		}
		if c.Short == "" {
			t.Errorf("%s says not what it does", c.CommandPath())
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(rootCommand())
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		root := rootCommand()
		var script strings.Builder
		root.SetOut(&script)
		root.SetErr(io.Discard)
		root.SetArgs([]string{"completion", shell})
		if err := root.Execute(); err != nil || !strings.Contains(script.String(), "swarmgit") {
			t.Errorf("completion %s: %v: %q", shell, err, script.String())
		}
	}
}

// TestCommandLine looks at one stack with every command that looks.
func TestCommandLine(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	commit := strings.TrimSpace(c.mustGit(t, "rev-parse", "HEAD"))
	node := c.running(t)[0].Hostname
	for _, look := range []struct {
		args  string
		code  int
		words []string
	}{
		{"status", 0, []string{"1 node ready, 1 manager (can lose 0), leader " + node, "shop  2/2 tasks", commit[:7]}},
		{"node ls", 0, []string{"ID", "HOSTNAME", "MANAGER STATUS", " * ", node, "Ready", "Active", "Leader", "containerd "}},
		{"cluster inspect --pretty", 0, []string{"Branch:", "main", "Heartbeat period:", "5s", "Root CA:", "sha256:", "CN=swarmgit-ca, good until "}},
		{"node inspect self", 0, []string{`"hostname": "` + node + `"`}},
		{"node inspect nobody", 1, []string{"swarmgit: ", "nobody"}},
		{"node ps", 0, []string{"shop_web.1", "shop_web.2", node}},
		{"node ps self nobody", 1, []string{"swarmgit: ", "nobody"}},
		{"node update self --label-add e2e=yes", 0, []string{"self"}},
		{"node ls --filter node.label=e2e=yes", 0, []string{node}},
		{"node update self --label-rm e2e", 0, []string{"self"}},
		{"node update self --label-rm e2e", 1, []string{"node " + node + " has no label e2e"}},
		{"node demote self", 1, []string{"refused: it is the last manager"}},
		{"node promote self", 0, []string{"Node self is already a manager."}},
		{"node rm --force self", 1, []string{"is a manager: demote it first"}},
		{"service ls", 0, []string{"shop_web", "replicated", "2/2", "e2e/app:1"}},
		{"service ps shop_web", 0, []string{"shop_web.1", "shop_web.2", "Running"}},
		{"service ps shop/web", 0, []string{"shop_web.1"}},
		{"service ps shop_wab", 1, []string{"swarmgit: ", "shop_wab"}},
		{"service inspect shop_web", 0, []string{`"name": "shop_web"`, `"image": "e2e/app:1"`}},
		{"service scale shop/web=5", 1, []string{"swarmgit: service scale: shop_web is what stacks/shop/stack.yml:", " says (deploy.replicas: 2): change it there, commit and git push"}},
		{"service update --image e2e/app:2 shop_web", 1, []string{"shop_web is what stacks/shop/stack.yml:3 says (image: e2e/app:1): change it there"}},
		{"service update --user nobody shop_web", 1, []string{"stacks/shop/stack.yml:2 says (no user yet): change it there"}},
		{"service rollback shop_web", 1, []string{"shop_web is what stacks/shop/stack.yml:2 says: undo there what changed it (git revert COMMIT), commit and git push"}},
		{"service rm shop_web", 1, []string{"shop_web is what stacks/shop/stack.yml:2 says: take it out there"}},
		{"service rm shop_wab", 1, []string{"swarmgit: service rm: no such service: shop_wab"}},
		{"stack deploy -c x.yml shop", 1, []string{"shop is what stacks/shop/stack.yml says: change it there"}},
		{"stack deploy -c x.yml nobody", 1, []string{"as stacks/nobody/stack.yml, commit and git push"}},
		{"stack rm shop", 1, []string{"shop is what stacks/shop/stack.yml says: take it out there"}},
		{"__complete service ps shop_", 0, []string{"shop_web\n"}},
		{"__complete exec shop_", 0, []string{"shop_web.1\n", "shop_web.2\n"}},
		{"__complete node ps self ", 0, []string{node + "\n"}},
		{"stack ls", 0, []string{"shop", "2/2", "main", commit[:7]}},
		{"stack ps shop", 0, []string{"shop_web.1"}},
		{"stack services shop", 0, []string{"shop_web"}},
		{"stack ps nobody", 1, []string{"swarmgit: ", "nobody"}},
		{"revisions", 0, []string{"REVISION", commit[:7], "healthy", "1 of 1", "ana"}},
		{"image ls", 0, []string{"e2e/app:1", "sha256:"}},
		{"git-url", 0, []string{"http://" + c.http + "/git/main.git"}},
		{"git-url --with-token", 0, []string{"http://swarmgit:swarmgit-"}},
		{"wait", 0, nil},
		{"wait " + commit[:7], 0, nil},
		{"wait 0000000", 1, []string{"the cluster has seen no commit 0000000"}},
		{"plan --rev main..main", 0, []string{"NO CHANGES"}},
		{"plan --rev nothing", 1, []string{"swarmgit: ", "nothing"}},
	} {
		out, errs, code := c.swarmgit(strings.Fields(look.args)...)
		if code != look.code {
			t.Errorf("%s exits %d, not %d: %s%s", look.args, code, look.code, out, errs)
		}
		wantWords(t, out+errs, look.words...)
	}
	for _, args := range []string{"status", "node ls", "service ls", "service ps shop_web", "stack ls", "stack ps shop", "stack services shop", "revisions", "image ls", "plan"} {
		out, errs, code := c.swarmgit(append(strings.Fields(args), "-o", "json")...)
		if code != 0 || !json.Valid([]byte(out)) {
			t.Errorf("%s -o json exits %d and is no JSON: %s%s", args, code, out, errs)
		}
	}
}

func TestPlanExitCodes(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 2))
	file := filepath.Join(c.path("clone"), "stacks", "shop", "stack.yml")
	plan := func(text string, code int, words ...string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, errs, got := c.swarmgit("plan", "--detailed-exitcode")
		if got != code {
			t.Errorf("plan exits %d, not %d:\n%s%s", got, code, out, errs)
		}
		wantWords(t, out+errs, words...)
	}
	one := shop("e2e/app:1", 2)["stacks/shop/stack.yml"]
	plan(one, 0, "NO CHANGES")
	plan(shop("e2e/app:2", 3)["stacks/shop/stack.yml"], 2, "start 1   restart 2", "Apply it: git push")
	plan(strings.Replace(one, "deploy:", "deploy:\n      placement: {constraints: [node.labels.zone == moon]}", 1), 4, "no suitable node")
	if out, errs, code := c.swarmgit("plan", "/does/not/exist", "--detailed-exitcode"); code != 1 {
		t.Errorf("a plan of nothing exits %d: %s%s", code, out, errs)
	}
	if err := os.WriteFile(file, []byte("services: {web: {image: [}}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, _, code := c.swarmgit("plan"); code != 1 || !strings.Contains(out, "stacks/shop/stack.yml:1:") {
		t.Errorf("a plan of broken files exits %d:\n%s", code, out)
	}
}

func TestLogs(t *testing.T) {
	c := theCluster(t)
	c.push(t, shop("e2e/app:1", 1))
	c.await(t, "five lines are written", func() bool {
		out, errs, _ := c.swarmgit("service", "logs", "shop_web")
		return strings.Contains(out, "hello from 1") && strings.Contains(errs, "line 5")
	})
	if _, errs, _ := c.swarmgit("service", "logs", "--tail", "2", "shop_web.1"); strings.Count(errs, "\n") != 2 {
		t.Errorf("--tail 2:\n%s", errs)
	}
	if out, _, _ := c.swarmgit("service", "logs", "--since", "1ms", "shop/web"); strings.Contains(out, "hello") {
		t.Errorf("--since 1ms:\n%s", out)
	}
	if out, _, _ := c.swarmgit("service", "logs", "-t", "--since", "1h", "shop/web"); !strings.HasPrefix(out, "20") || !strings.Contains(out, "hello") {
		t.Errorf("-t --since 1h:\n%s", out)
	}
	follow := c.command(executable(), "service", "logs", "-f", "--tail", "1", "shop_web")
	follow.Env = append(c.env(), "PATH="+os.Getenv("PATH"))
	lines, err := follow.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(patience, func() { _ = follow.Process.Kill() })
	defer timer.Stop()
	seen := make([]byte, 0, 4096)
	for strings.Count(string(seen), "line ") < 5 {
		n, err := lines.Read(seen[len(seen):cap(seen)])
		if err != nil {
			t.Fatalf("-f ended after %q: %v", seen, err)
		}
		seen = seen[:len(seen)+n]
	}
	if err := follow.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, lines)
	if err := follow.Wait(); err != nil {
		t.Errorf("Ctrl-C ends -f with %v", err)
	}
}

// TestWaitGivesUp: a rollout that cannot end in time exits 4.
func TestWaitGivesUp(t *testing.T) {
	c := theCluster(t)
	files := shop("e2e/app:1", 1)
	files["stacks/shop/stack.yml"] = strings.Replace(files["stacks/shop/stack.yml"], "deploy:", "deploy:\n      placement: {constraints: [node.labels.zone == moon]}", 1)
	c.push(t, files, "-o", "no-wait")
	if out, errs, code := c.swarmgit("wait", "--timeout", "300ms"); code != 4 {
		t.Errorf("wait exits %d: %s%s", code, out, errs)
	}
	ps, _, _ := c.swarmgit("service", "ps", "--no-trunc", "shop_web")
	wantWords(t, ps, "Pending", "no suitable node", "node.labels.zone")
}

// conflicting is a machine's package list in which Docker's own containerd.io is
// installed.
const conflicting = `Package: containerd.io
Status: install ok installed
Priority: optional
Section: devel
Maintainer: nobody <nobody@example.com>
Architecture: amd64
Version: 1.7.27-1
Provides: containerd, runc
Conflicts: containerd, runc
Replaces: containerd, runc
Description: another containerd
`

// installable are the packages that its mirror, a directory, has.
const installable = `Package: containerd
Architecture: all
Version: 1
Filename: ./containerd.deb
Size: 1
SHA256: 0000000000000000000000000000000000000000000000000000000000000000

Package: runc
Architecture: all
Version: 1
Filename: ./runc.deb
Size: 1
SHA256: 0000000000000000000000000000000000000000000000000000000000000000
`

// TestPrerequisitesRemoveNothing runs .ci/prerequisites on a machine whose apt
// says that a conflicting package is installed. apt only simulates, and asks nobody.
func TestPrerequisitesRemoveNothing(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("there is no apt-get here")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "apt.conf")
	settings := strings.ReplaceAll(`Dir::State "DIR"; Dir::State::status "DIR/status"; Dir::Cache "DIR"; Dir::Etc "DIR";
APT::Sandbox::User ""; APT::Architecture "amd64"; Debug::NoLocking "true";
`, "DIR", dir)
	for path, text := range map[string]string{
		"status": conflicting, "mirror/Packages": installable, "sources.list": "deb [trusted=yes] file:" + dir + "/mirror ./\n", "apt.conf": settings,
	} {
		put(t, dir, path, text)
	}
	update := exec.Command("apt-get", "update")
	update.Env = append(os.Environ(), "APT_CONFIG="+config)
	if out, err := update.CombinedOutput(); err != nil {
		t.Fatalf("apt-get update: %v: %s", err, out)
	}
	put(t, dir, "apt.conf", settings+`APT::Get::Simulate "true";`)
	out, err := prerequisites(t, "APT_CONFIG="+config, "PATH="+onlyPrograms(t, "sh", "env", "id", "apt-get", "sudo", "git"))
	if err == nil {
		t.Errorf("it succeeds:\n%s", out)
	}
	wantWords(t, out, "going to install: containerd runc", "Packages need to be removed but remove is disabled", "nothing was removed")
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Remv ") || strings.HasPrefix(line, "Inst ") {
			t.Errorf("apt would: %s", line)
		}
	}
}

func TestPrerequisitesThatAreThere(t *testing.T) {
	needRoot(t)
	out, err := prerequisites(t, "PATH="+onlyPrograms(t, "sh", "id", "git", "containerd", "containerd-shim-runc-v2", "runc"))
	if err != nil || !strings.Contains(out, "nothing to install") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// What was never listed here is looked for, and a mirror that is out of reach hinders
// nothing that is to be had at another.
func TestPrerequisitesOfAMirrorThatIsAway(t *testing.T) {
	dir := onlyPrograms(t, "sh", "env", "id", "git", "sudo", "touch")
	put(t, dir, "apt-get", "#!/bin/sh\ncase $* in\n*update) touch "+dir+"/listed; exit 100 ;;\n*) test -e "+dir+"/listed ;;\nesac\n")
	if err := os.Chmod(filepath.Join(dir, "apt-get"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := prerequisites(t, "PATH="+dir); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

func prerequisites(t *testing.T, env ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "../../.ci/prerequisites")
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// onlyPrograms is a PATH that holds these programs and no others.
func onlyPrograms(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue // what this machine does not have, the script does not find either
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
