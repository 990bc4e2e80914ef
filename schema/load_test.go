package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

func load(tree fstest.MapFS) Result { return Load(context.Background(), tree, Options{}) }

func one(data string) fstest.MapFS {
	return fstest.MapFS{"stacks/shop.yml": {Data: []byte(data)}}
}

// wantOne wants exactly one problem, and cheaply.
func wantOne(t *testing.T, tree fstest.MapFS, want string) {
	t.Helper()
	if diff := cmp.Diff(want+"\n", said(loadCheaply(t, tree))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHostileFiles(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 10; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for _, test := range []struct{ name, data, want string }{
		{"ten megabytes of aliases", "a: &a x\nb: [" + strings.Repeat("*a, ", 10<<20/4) + "]\n",
			"stacks/shop.yml: is too large, 10.0 MiB: a file that is read may have at most 1 MiB"},
		{"a megabyte of aliases", "a: &a x\nb: [" + strings.Repeat("*a, ", 200_000) + "]\n",
			"stacks/shop.yml:2:99997: the file has more than 50000 values once its aliases are expanded: use fewer aliases of aliases"},
		{"aliases of aliases", bomb,
			"stacks/shop.yml:5:20: the file has more than 50000 values once its aliases are expanded: use fewer aliases of aliases"},
		{"nested too deep", "a: " + strings.Repeat("[", 500) + strings.Repeat("]", 500),
			"stacks/shop.yml:1:68: values are nested more than 64 deep"},
		{"nested beyond what YAML reads", "a: " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
			"stacks/shop.yml:1:1: values are nested more than 10000 deep"},
		{"a binary", "\x7fELF\x02\x01\x00\x00", "stacks/shop.yml:1:7: a NUL byte: this is a binary file, not text"},
		{"Latin-1", "services:\n  web:\n    image: caf\xe9\n", "stacks/shop.yml:3:15: this byte is not UTF-8: save the file as UTF-8 text"},
		{"a line that YAML alone sees", "services:\r  web:\n", "stacks/shop.yml:1:10: the character U+000D ends a line in YAML, but in few editors: delete it"},
		{"nothing but a comment", "# nothing\n", "stacks/shop.yml: the file is empty"},
	} {
		t.Run(test.name, func(t *testing.T) { wantOne(t, one(test.data), test.want) })
	}
}

func TestUnreadable(t *testing.T) {
	stack := []byte("services: {web: {image: nginx, env_file: a.env}}")
	t.Run("a folder for an env file", func(t *testing.T) {
		wantOne(t, fstest.MapFS{"stacks/shop.yml": {Data: stack}, "stacks/a.env/x": {}},
			"stacks/shop.yml:1:42: services.web.env_file.0: stacks/a.env is a folder, not a file")
	})
	t.Run("a binary .env", func(t *testing.T) {
		wantOne(t, fstest.MapFS{"stacks/shop.yml": {Data: []byte("services: {web: {image: nginx}}")}, "stacks/.env": {Data: []byte("A=\x00")}},
			"stacks/.env:1:3: a NUL byte: this is a binary file, not text")
	})
	t.Run("an end while loading", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(errors.New("the pusher is gone"))
		got := said(Load(ctx, one("services: {}"), Options{}))
		if want := "stacks/shop.yml: not read: loading was cut short: the pusher is gone\n"; got != want {
			t.Errorf("got %s", got)
		}
	})
}

// TestSymbolicLinks uses a real folder, where opening a link would leave it.
func TestSymbolicLinks(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, "secret.yml", "services: {web: {image: nginx}}")
	repository := t.TempDir()
	write(t, repository, "shared/stack.yml", "services: {web: {image: nginx, env_file: [a.env, b.env, loop.env]}}")
	write(t, repository, "shared/a.env", "A=1")
	for link, target := range map[string]string{
		"stacks/inside/stack.yml":  "../../shared/stack.yml",
		"stacks/inside/a.env":      "../../shared/a.env",
		"stacks/inside/b.env":      filepath.Join(outside, "secret.yml"),
		"stacks/inside/loop.env":   "loop.env",
		"stacks/folder":            "../shared",
		"stacks/outside/stack.yml": "../../../" + filepath.Base(outside) + "/secret.yml",
		"stacks/absolute.yml":      filepath.Join(outside, "secret.yml"),
		"stacks/nowhere.yml":       "nothing.yml",
	} {
		full := filepath.Join(repository, link)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, full); err != nil {
			t.Fatal(err)
		}
	}
	got := said(Load(context.Background(), os.DirFS(repository), Options{}))
	want := `stacks/absolute.yml: is a symbolic link to OUT/secret.yml, out of the repository: put the file itself
stacks/folder/stack.yml:1:50: services.web.env_file.1: stacks/folder/b.env is not in the repository
stacks/folder/stack.yml:1:57: services.web.env_file.2: stacks/folder/loop.env is not in the repository
stacks/inside/stack.yml:1:50: services.web.env_file.1: stacks/inside/b.env is a symbolic link to OUT/secret.yml, out of the repository: put the file itself
stacks/inside/stack.yml:1:57: services.web.env_file.2: stacks/inside/loop.env is a symbolic link that leads in a circle
stacks/nowhere.yml: is not in the repository
stacks/outside/stack.yml: is a symbolic link to ../../../BASE/secret.yml, out of the repository: put the file itself
`
	want = strings.NewReplacer("OUT", outside, "BASE", filepath.Base(outside)).Replace(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func write(t testing.TB, dir, name, data string) {
	t.Helper()
	full := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLoaderRemembers changes each file that a stack depends on, and nothing.
func TestLoaderRemembers(t *testing.T) {
	tree := fstest.MapFS{
		"stacks/shop/stack.yml": {Data: []byte("services: {web: {image: \"nginx:${TAG}\", env_file: [web.env]}}\nconfigs: {app: {file: app.conf}}")},
		"stacks/shop/.env":      {Data: []byte("TAG=1")},
		"stacks/shop/web.env":   {Data: []byte("A=1")},
		"stacks/shop/app.conf":  {Data: []byte("a")},
	}
	loader := NewLoader()
	hash := func() specs.Hash {
		t.Helper()
		result := loader.Load(context.Background(), tree, Options{})
		fresh := load(tree)
		if diff := cmp.Diff(fresh, result); diff != "" {
			t.Fatalf("a Loader and Load differ (-load +loader):\n%s", diff)
		}
		if len(result.Stacks) == 0 {
			return ""
		}
		return result.Stacks[0].Services[0].Task
	}
	first := hash()
	if first == "" || hash() != first {
		t.Fatal("the same tree has another hash")
	}
	tree["stacks/shop/.env"] = &fstest.MapFile{Data: []byte("TAG=2")}
	second := hash()
	if second == first {
		t.Error("a change of .env is not seen")
	}
	tree["stacks/shop/web.env"] = &fstest.MapFile{Data: []byte("A=2")}
	if hash() == second {
		t.Error("a change of an env file is not seen")
	}
	third := hash()
	tree["stacks/shop/app.conf"] = &fstest.MapFile{Data: []byte("b")}
	if hash() != third {
		t.Error("what a config holds is no part of what is loaded of a task")
	}
	delete(tree, "stacks/shop/app.conf")
	if hash() != "" {
		t.Error("a config file that went is not seen")
	}
}

// TestLoaderForgets loads ever other versions of a large stack, as a daemon does in
// the course of years.
func TestLoaderForgets(t *testing.T) {
	const size, room = 256 << 10, 4 << 20
	loader := NewLoader()
	loader.maxCached = room
	for version := range 3 * room / size {
		text := fmt.Sprintf("services: {web: {image: \"nginx:%d\"}}\n# %s", version, strings.Repeat("x", size))
		if got := loader.Load(t.Context(), one(text), Options{}); len(got.Stacks) != 1 {
			t.Fatal(said(got))
		}
		if len(loader.cache) > room/size {
			t.Fatalf("%d versions of %d bytes each are remembered", len(loader.cache), size)
		}
	}
}

// TestLoaderSharesWhole loads a file with a mistake behind an anchor again and
// again, from several goroutines.
func TestLoaderSharesWhole(t *testing.T) {
	tree := one("x-it: &it {image: nginx, user: 5, build: .}\nservices: {b: *it, a: *it, c: *it}")
	want := "stacks/shop.yml:1:32: services.a.user: must be text, got 5: put it in quotes\n" +
		"! stacks/shop.yml:1:35: services.a.build: ignored, as by Swarm: an image is built before it is deployed\n"
	loader := NewLoader()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got := said(loader.Load(context.Background(), tree, Options{})); got != want {
				t.Errorf("got %s", got)
			}
		})
	}
	group.Wait()
}

// TestOrigins asks for the places that a plan shows.
func TestOrigins(t *testing.T) {
	tree := fstest.MapFS{
		"stacks/shop.yml": {Data: []byte(`x-env: &env
  SHARED: yes
services:
  web:
    image: nginx
    env_file: web.env
    environment:
      <<: *env
      LOG_LEVEL: info
    deploy:
      replicas: 3
    volumes:
      - /a:/b
  api:
    image: nginx
    environment:
      - LOG_LEVEL=info
`)},
		"stacks/web.env": {Data: []byte("\nFROM_FILE=1\nLOG_LEVEL=2\n")},
	}
	origins := load(tree).Stacks[0].Origins
	for path, want := range map[string]string{
		"services.web":                       "stacks/shop.yml:4:3",
		"services.web.image":                 "stacks/shop.yml:5:5",
		"services.web.environment.LOG_LEVEL": "stacks/shop.yml:9:7",
		"services.web.environment.SHARED":    "stacks/shop.yml:2:3",
		"services.web.environment.FROM_FILE": "stacks/web.env:2:1",
		"services.web.deploy.replicas":       "stacks/shop.yml:11:7",
		"services.web.deploy.labels":         "stacks/shop.yml:10:5", // the nearest parent
		"services.web.volumes.0":             "stacks/shop.yml:13:9",
		"services.api.environment.LOG_LEVEL": "stacks/shop.yml:17:9",
	} {
		if got, _ := origins.Find(path); got.String() != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// TestPath loads a folder of the tree; positions count from its root.
func TestPath(t *testing.T) {
	tree := fstest.MapFS{"deploy/prod/stacks/shop.yml": {Data: []byte("services: {web: {}}")}, "stacks/other.yml": {}}
	got := said(Load(context.Background(), tree, Options{Path: "deploy/prod"}))
	if want := "deploy/prod/stacks/shop.yml:1:12: services.web: needs an image; Swarm builds none\n"; got != want {
		t.Errorf("got %s", got)
	}
	got = said(Load(context.Background(), tree, Options{Path: "../x"}))
	if !bytes.Contains([]byte(got), []byte("outside of the repository")) {
		t.Errorf("got %s", got)
	}
}

// TestGrowth holds the limits on what small files grow to.
func TestGrowth(t *testing.T) {
	env := "A0=" + strings.Repeat("x", 1000) + "\n"
	for i := 1; i < 40; i++ {
		env += fmt.Sprintf("A%d=${A%d}${A%d}\n", i, i-1, i-1)
	}
	t.Run("variables of variables", func(t *testing.T) {
		tree := one("services: {web: {image: nginx}}")
		tree["stacks/.env"] = &fstest.MapFile{Data: []byte(env)}
		wantOne(t, tree, "stacks/.env:15:1: variables put more than 16 MiB into this file")
	})
	t.Run("defaults in defaults", func(t *testing.T) {
		wantOne(t, one("services: {web: {image: nginx, user: \""+strings.Repeat("${A:-", 20_000)+strings.Repeat("}", 20_000)+"\"}}"),
			"stacks/shop.yml:1:39: services.web.user: variables are nested more than 16 deep")
	})
	t.Run("ranges of ports", func(t *testing.T) {
		ports := ""
		for i := range 1000 {
			ports += fmt.Sprintf("    - \"1-%d:1-%d\"\n", 65535-i, 65535-i)
		}
		got := said(load(one("services:\n  web:\n    image: nginx\n    ports:\n" + ports)))
		if !strings.Contains(got, "stacks/shop.yml:5:7: services.web.ports.0: the short forms of this file stand for more than 50000 values: use fewer, or smaller ranges") {
			t.Errorf("got %.300s", got)
		}
	})
	t.Run("thousands of mistakes", func(t *testing.T) {
		data := []byte("services:\n  web:\n    image: nginx\n    ports: [80]\n")
		for i := range 20_000 {
			data = fmt.Appendf(data, "    mistake%d: x\n", i)
		}
		result := load(one(string(data)))
		if n := len(result.Problems); n != maxTold+1 {
			t.Errorf("%d problems", n)
		}
		last := result.Problems[len(result.Problems)-1]
		if want := "stacks/shop.yml:105:5: and 900 more in this file"; last.String() != want {
			t.Errorf("got %s", last)
		}
	})
}

// TestSecretsAreNotShown puts a password where a message would repeat it.
func TestSecretsAreNotShown(t *testing.T) {
	result := load(one(`services:
  web:
    image: nginx
    environment:
      DB_PASSWORD: 0123456789
      API_TOKEN: [hunter2]
      KEY: ${KEY:~hunter2}
      SECRET: ${NOT_SET:?hunter}
    labels:
      token: true
`))
	if got := said(result); strings.Contains(got, "hunter2") || strings.Contains(got, "123456789") {
		t.Error(got)
	}
}
