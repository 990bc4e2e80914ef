package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

// What the secrets of these tests hold. None of it may be found anywhere but in
// the memory of a task's node and, of the plain one, in Git.
const (
	canaryAge      = "canary-that-age-hides-5c1f"
	canaryExternal = "canary-made-by-hand-77d0"
	canaryPlain    = "canary-in-the-clear-a9b3"
)

const filesStack = `services:
  web:
    image: e2e/app:1
    hostname: "web-{{.Task.Slot}}"
    environment: {WHERE: "{{.Node.ID}} of {{.Service.Labels.tier}}"}
    secrets:
      - sealed
      - {source: outside, target: /etc/outside.key, uid: "33", gid: "34", mode: 0400}
    configs:
      - {source: page, target: /srv/page.conf}
    deploy: {labels: {tier: front}, update_config: {monitor: 100ms}}
  api:
    image: e2e/app:1
    secrets: [plain]
    configs: [motd]
    deploy: {update_config: {monitor: 100ms}}
  worker:
    runtime: process
    command: [sleep, infinity]
    secrets: [plain, sealed, outside]
    configs: [motd]
    deploy: {update_config: {monitor: 100ms}}
secrets:
  sealed: {file: sealed.age}
  outside: {external: true, name: outside_1}
  plain: {file: plain.key}
configs:
  page: {file: page.conf, template_driver: golang}
  motd: {file: motd}
`

// encrypted is the text as age encrypts it for the cluster.
func (c *realCluster) encrypted(t *testing.T, text string) string {
	t.Helper()
	out, errs, code := c.swarmgit("age-key")
	if code != 0 {
		t.Fatalf("age-key: %s", errs)
	}
	recipient, err := age.ParseX25519Recipient(strings.TrimSpace(out))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := age.Encrypt(&file, recipient)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

// wantInside checks a file as a task sees it.
func wantInside(t *testing.T, task api.Task, path, want string, mode fs.FileMode, uid uint32) {
	t.Helper()
	inside := filepath.Join("/proc", fmt.Sprint(task.Seen.PID), "root", path)
	content, err := os.ReadFile(inside)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(inside)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; string(content) != want || info.Mode().Perm() != mode || owner != uid {
		t.Errorf("%s has at %s %q, mode %o of %d; want %q, mode %o of %d", task.Name, path, content, info.Mode().Perm(), owner, want, mode, uid)
	}
	if err := os.WriteFile(inside, nil, 0o600); err == nil {
		t.Errorf("%s can be written at %s", path, task.Name)
	}
}

// TestSecretsAndConfigsInContainers goes their whole way: from Git, by age and by
// hand, into containers and a process beside them; through a change, a restart of
// the daemon, and away.
func TestSecretsAndConfigsInContainers(t *testing.T) {
	c := theCluster(t)
	if err := os.WriteFile(c.path("outside"), []byte(canaryExternal), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := c.swarmgit("secret", "create", "outside_1", c.path("outside")); code != 0 || out != "outside_1\n" {
		t.Fatalf("secret create: %s%s", out, errs)
	}
	files := map[string]string{
		"stacks/shop/stack.yml": filesStack, "stacks/shop/sealed.age": c.encrypted(t, canaryAge), "stacks/shop/plain.key": canaryPlain,
		"stacks/shop/page.conf": `{{.Task.Name}} {{env "WHERE"}} {{secret "sealed"}}`, "stacks/shop/motd": "good morning",
	}
	said := c.push(t, files)
	wantWords(t, said, "NEEDS ATTENTION", "stacks/shop/stack.yml:26:17: secrets.plain.file: the secret lies in", "healthy")
	nodes, err := ask(c, api.ListNodes.Call, api.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	first := c.running(t)
	if len(first) != 3 {
		t.Fatalf("%d tasks run", len(first))
	}
	where := fmt.Sprintf("shop_web.1 %s of front %s", nodes.Nodes[0].ID, canaryAge)
	wantInside(t, first[0], "/run/secrets/plain", canaryPlain, 0o444, 0)
	wantInside(t, first[0], "/motd", "good morning", 0o444, 0)
	wantInside(t, first[1], "/run/secrets/sealed", canaryAge, 0o444, 0)
	wantInside(t, first[1], "/etc/outside.key", canaryExternal, 0o400, 33)
	wantInside(t, first[1], "/srv/page.conf", where, 0o444, 0)
	c.wantBeside(t, first[2])
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/hostname", first[1].Seen.PID)); err != nil || string(name) != "web-1\n" {
		t.Errorf("the host name is %q, %v", name, err)
	}

	// The same secret encrypted anew, and another page: only web is replaced.
	again := map[string]string{"stacks/shop/page.conf": "new {{.Task.Slot}}", "stacks/shop/sealed.age": c.encrypted(t, canaryAge)}
	said += c.push(t, again)
	wantWords(t, said, "shop_web", "config /srv/page.conf", "stacks/shop/page.conf", "restart 1")
	second := c.running(t)
	if second[0].ID != first[0].ID || second[1].ID == first[1].ID || second[2].ID != first[2].ID {
		t.Errorf("the wrong tasks were replaced: %v, then %v", first, second)
	}
	wantInside(t, second[1], "/srv/page.conf", "new 1", 0o444, 0)
	page, err := ask(c, api.InspectFile.Call, api.FileName{Kind: specs.Config, Name: "shop_page"})
	if err != nil || len(page.Versions) != 1 || string(page.Versions[0].Content) != "new {{.Task.Slot}}" {
		t.Errorf("config shop_page: %+v, %v", page, err)
	}
	_, errs, code := c.swarmgit("secret", "rm", "outside_1")
	if want := "swarmgit: secret outside_1 is used by shop_web, shop_worker: take it out of their stack files first\n"; code == 0 || errs != want {
		t.Errorf("a secret that is used is removed: %q", errs)
	}

	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	third := c.running(t)
	if err := sameProcesses(second, third); err != nil {
		t.Fatalf("a restart of the daemon: %v", err)
	}
	wantInside(t, third[1], "/run/secrets/sealed", canaryAge, 0o444, 0)
	c.wantBeside(t, third[2])

	c.wantNowhere(t, said)
	c.push(t, map[string]string{"stacks": ""}, "-o", "allow-removal")
	c.await(t, "the memory of secrets is given back", func() bool {
		mounts, err := os.ReadFile("/proc/self/mounts")
		if err != nil {
			t.Fatal(err)
		}
		return !strings.Contains(string(mounts), c.secretsPlace())
	})
	c.await(t, "the secret can be removed", func() bool {
		_, _, code := c.swarmgit("secret", "rm", "outside_1")
		return code == 0
	})
	c.await(t, "no secret and no config is left", func() bool {
		out, _, _ := c.swarmgit("secret", "ls")
		configs, _, _ := c.swarmgit("config", "ls")
		return strings.Count(out+configs, "\n") == 2 // the headings
	})
}

// wantBeside checks what the process beside the containers reads.
func (c *realCluster) wantBeside(t *testing.T, task api.Task) {
	t.Helper()
	out, errs, code := c.swarmgit("exec", task.ID, "sh", "-c", `cd "$CREDENTIALS_DIRECTORY" && cat plain sealed outside "$CONFIGURATION_DIRECTORY/motd"`)
	if want := canaryPlain + canaryAge + canaryExternal + "good morning"; code != 0 || out != want {
		t.Errorf("%s reads %q, want %q: %s", task.Name, out, want, errs)
	}
}

// secretsPlace is where the cluster's node keeps the secrets of its tasks.
func (c *realCluster) secretsPlace() string { return secretsPlaces(c.path("data"))[0] }

// wantNowhere looks for the secrets in what people see, in every answer of the
// API, in the daemon's log and in everything that the daemon has on disk.
func (c *realCluster) wantNowhere(t *testing.T, said string) {
	t.Helper()
	plan, _, _ := c.swarmgit("plan", "-o", "json")
	looked := 0
	look := func(where, text string) {
		looked++
		for _, canary := range []string{canaryAge, canaryExternal, canaryPlain} {
			if strings.Contains(text, canary) {
				t.Errorf("%s is in %s", canary, where)
			}
		}
	}
	look("the pushes", said)
	look("the plan", plan)
	note := func(what string, reply any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(reply)
		if err != nil {
			t.Fatal(err)
		}
		look(what, string(text))
	}
	for _, name := range []string{"shop_sealed", "outside_1", "shop_plain"} {
		reply, err := ask(c, api.InspectFile.Call, api.FileName{Kind: specs.Secret, Name: name})
		note("secret "+name, reply, err)
	}
	for _, name := range []string{"shop_web", "shop_worker"} {
		service, err := ask(c, api.InspectService.Call, api.ByName{Name: name})
		note("service "+name, service, err)
	}
	revisions, err := ask(c, api.ListRevisions.Call, api.ListRevisionsRequest{})
	note("the revisions", revisions, err)
	note("the tasks", c.tasks(t), nil)
	c.everywhere(t, look)
	if looked < 20 {
		t.Errorf("only %d places were looked at", looked)
	}
}

// everywhere looks at the daemon's log and at everything that it has on disk.
func (c *realCluster) everywhere(t *testing.T, look func(where, text string)) {
	t.Helper()
	for _, dir := range []string{c.path("data"), c.path("daemon.log")} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return nil // what goes away while we look holds nothing
			}
			if content, err := os.ReadFile(path); err == nil {
				look(path, string(content))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheExampleWithSecretsRuns as its README says.
func TestTheExampleWithSecretsRuns(t *testing.T) {
	c := theCluster(t)
	files := exampleFiles(t, "secrets-and-configs")
	wantWords(t, c.refused(t, files), "stacks/shop/stack.yml:62:3: secrets.password:", "the cluster has no secret shop_password_1: swarmgit secret create")
	if err := os.WriteFile(c.path("password"), []byte("pass"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := c.swarmgit("secret", "create", "shop_password_1", c.path("password")); code != 0 {
		t.Fatal(errs)
	}
	wantWords(t, c.push(t, files), "services.web.image: e2e/app:1 goes by its", "healthy")
	running := c.running(t)
	if len(running) != 4 {
		t.Fatalf("%d tasks run", len(running))
	}
	wantInside(t, running[0], "/etc/shop/password", "pass", 0o400, 1000)
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	wantInside(t, running[2], "/etc/shop/web.conf",
		"name = shop_web.2\ntier = front\nnode = "+hostname+"\nupstream = http://shop:pass@localhost\n", 0o444, 0)
	c.await(t, "the process reads its config", func() bool {
		logs, _, _ := c.swarmgit("service", "logs", "shop_worker")
		return strings.Contains(logs, strings.TrimSpace(files["stacks/shop/motd.txt"]))
	})
	_, errs, code := c.swarmgit("secret", "create", "shop_password_1", c.path("password"))
	if code == 0 {
		t.Error("a secret was changed")
	}
	wantWords(t, errs, "secret shop_password_1 exists already and never changes")
	c.push(t, map[string]string{"stacks": ""}, "-o", "allow-removal")
	c.await(t, "the secret can be removed", func() bool {
		_, _, code := c.swarmgit("secret", "rm", "shop_password_1")
		return code == 0
	})
}
