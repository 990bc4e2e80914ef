package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

const processFilesStack = `services:
  web:
    runtime: process
    command: [sh, -c, 'test -r "$$CREDENTIALS_DIRECTORY/tls/key" && cat "$$CONFIGURATION_DIRECTORY/web.conf"; exec sleep infinity']
    secrets: [{source: key, target: tls/key, mode: 0400}]
    configs: [web.conf]
    deploy: {update_config: {monitor: 100ms}}
  other:
    runtime: process
    command: [sleep, infinity]
    deploy: {update_config: {monitor: 100ms}}
secrets: {key: {file: key.age}}
configs: {web.conf: {file: web.conf, template_driver: golang}}
`

// wantKey checks what a process reads of its secret, and whose that is.
func (c *realCluster) wantKey(t *testing.T, task api.Task, want string, uid int) (dir string) {
	t.Helper()
	out, errs, code := c.swarmgit("exec", task.ID, "sh", "-c",
		`cd "$CREDENTIALS_DIRECTORY/.." && pwd && cat secrets/tls/key && stat -c " %a %u" secrets/tls/key && stat -c "%a %u" . secrets`)
	dir, got, _ := strings.Cut(out, "\n")
	if want := fmt.Sprintf("%s 400 %[2]d\n700 %[2]d\n700 %[2]d\n", want, uid); code != 0 || got != want {
		t.Errorf("%s reads %q, want %q; %d: %s", task.Name, got, want, code, errs)
	}
	return dir
}

// TestSecretsAndConfigsOfProcesses goes their whole way: to a process of another
// user if the daemon is root, of the same one if not; through a change, a killed
// daemon, and away.
func TestSecretsAndConfigsOfProcesses(t *testing.T) {
	c := processCluster(t)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	c.reset(t)
	uid, stack := os.Geteuid(), processFilesStack
	if uid == 0 {
		uid, stack = nobody, strings.Replace(stack, "    secrets", "    user: nobody\n    secrets", 1)
	}
	wantWords(t, c.refused(t, map[string]string{"stacks/shop/stack.yml": strings.Replace(stack, "tls/key,", "/etc/key,", 1),
		"stacks/shop/key.age": c.encrypted(t, canaryAge), "stacks/shop/web.conf": "none"}),
		": services.web.secrets.0.target:", "must be a path below $CREDENTIALS_DIRECTORY")

	said := c.push(t, map[string]string{"stacks/shop/stack.yml": stack, "stacks/shop/key.age": c.encrypted(t, canaryAge),
		"stacks/shop/web.conf": `{{.Task.Name}}: {{env "CREDENTIALS_DIRECTORY"}}/tls/key` + "\n"})
	first := c.running(t)
	if len(first) != 2 {
		t.Fatalf("%d tasks run:\n%s", len(first), said)
	}
	dir := c.wantKey(t, first[1], canaryAge, uid)
	place := filepath.Dir(dir)
	c.await(t, "it has read its config", func() bool {
		logs, _, _ := c.swarmgit("service", "logs", "shop_web")
		return strings.Contains(logs, "shop_web.1: "+dir+"/secrets/tls/key\n")
	})

	said += c.push(t, map[string]string{"stacks/shop/key.age": c.encrypted(t, canaryExternal)})
	wantWords(t, said, "secret tls/key", "restart 1")
	second := c.running(t)
	if len(second) != 2 || second[0].ID != first[0].ID || second[1].ID == first[1].ID {
		t.Fatalf("the wrong tasks were replaced: %v, then %v", first, second)
	}
	c.wantKey(t, second[1], canaryExternal, uid)
	c.await(t, "the files of the replaced task are gone", func() bool {
		_, err := os.Lstat(dir)
		return errors.Is(err, os.ErrNotExist)
	})

	c.kill()
	left := filepath.Join(place, "left", "secrets")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	third := c.running(t)
	if err := sameProcesses(second, third); err != nil {
		t.Fatal(err)
	}
	c.wantKey(t, third[1], canaryExternal, uid)
	c.await(t, "what no task has is kept in memory no more", func() bool {
		_, err := os.Lstat(left)
		return errors.Is(err, os.ErrNotExist)
	})

	c.everywhere(t, func(where, text string) {
		if strings.Contains(text, canaryAge) || strings.Contains(text, canaryExternal) {
			t.Error("a secret is in " + where)
		}
	})
	if strings.Contains(said, canaryAge) || strings.Contains(said, canaryExternal) {
		t.Errorf("a secret is shown:\n%s", said)
	}
	c.push(t, map[string]string{"stacks": ""}, "-o", "allow-removal")
	c.await(t, "the memory of secrets is given back", func() bool {
		_, err := os.Lstat(place)
		return errors.Is(err, os.ErrNotExist)
	})
}
