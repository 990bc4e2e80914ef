package schema

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

// TestBombs loads files within the size that is read which could take a whole
// machine's memory or minutes of its time.
func TestBombs(t *testing.T) {
	web := "services:\n  web:\n    image: nginx\n"
	anchor := func(value string) string { return "x-a: &a \"" + value + "\"\n" + web }
	long := strings.Repeat("x", 100_000)
	for _, test := range []struct{ name, data, want string }{
		{"aliases of a long value", anchor(long) + "    command: [" + strings.Repeat("*a,", 3000) + "]\n",
			"5:513: the values have more than 16 MiB once their aliases are expanded: use fewer aliases of long values"},
		{"aliases of a long command", anchor(strings.Repeat("x ", 5000)) + numbered(20, "  s%d: {image: nginx, command: *a}\n"),
			"1:6: services.s10.command: the short forms of this file stand for more than 50000 values: use fewer, or smaller ranges"},
		{"aliases of variables", anchor("$$"+strings.Repeat("${A}", 100)) + "    command: [" + strings.Repeat("*a,", 3000) + "]\n",
			"1:10: services.web.command.838: variables put more than 16 MiB into this file"},
		{"a longer value", web + "    hostname: " + long + long + "\n",
			"4:15: services.web.hostname: a value may have at most 128 KiB; put what is longer into a file"},
		{"a value that variables make longer", web + "    hostname: x${LONG}${LONG}\n",
			"4:16: services.web.hostname: a value may have at most 128 KiB; put what is longer into a file"},
		{"a longer value of an env file", web + "    env_file: long.env\n", "long.env:1:1: a value may have at most 128 KiB; put what is longer into a file"},
		{"a long key", web + "    environment:\n      ? " + long + "\n      : " + web,
			"5:9: services.web.environment: a key may have at most 512 characters"},
		{"variables that are not set", web + "    hostname: x" + strings.Repeat("$B", 60_000) + "\n", ""},
		{"variables that cannot be found", anchor(`\x24B`+long[:1000]) + "    command: [" + strings.Repeat("*a,", 10_000) + "]\n" +
			strings.Repeat("# "+long[:1500]+"\n", 500), ""},
		{"a long mount", web + "    volumes: [" + long + "]\n",
			"4:15: services.web.volumes.0: the target must be an absolute path in the container, got \"" + long[:maxShown] + `..."`},
		{"variables twice", web + "    environment:\n" + numbered(10_000, "    - A%d=1\n") + strings.Repeat("    - A1=2\n", 10_000), ""},
		{"networks that are not there", web + "    networks:\n" + numbered(5000, "    - b%d\n") + "networks:\n" + numbered(5000, "  a%d:\n"),
			`5:7: services.web.networks.b0: no network "b0" in the top-level networks`},
		{"secrets", web + "    secrets:\n" + numbered(3000, "    - a%d\n") + "secrets:\n" + numbered(3000, "  a%d: {external: true}\n"), ""},
		{"ranges over labels", web + "    environment:\n" + numbered(10_000, "    - A%d={{range .Service.Labels}}{{end}}\n") +
			"    deploy:\n      labels:\n" + numbered(10_000, "        k%d: x\n"),
			"62:7: services.web.environment.A57: the templates of this stack are too long for services with so many, or so long, labels: use fewer of either"},
		{"labels that are printed", web + "    environment:\n" + numbered(5000, "    - A%d={{len (print .Service.Labels)}}\n") +
			"    deploy:\n      labels:\n" + numbered(5, "        k%d: "+long+"\n"),
			"87:7: services.web.environment.A82: the templates of this stack are too long for services with so many, or so long, labels: use fewer of either"},
		{"env files", "services:\n" + numbered(500, "  s%d: {image: nginx, env_file: big.env}\n"),
			"4:32: services.s2.env_file.0: not read: env files give the services of this stack more than 200000 variables already: use smaller ones"},
		{"configs", web + "    configs:\n" + numbered(500, "    - c%d\n") + "configs:\n" + numbered(500, "  c%d: {file: big.env}\n"),
			"579:15: configs.c73.file: not read: the files that this stack names have more than 64 MiB already: use fewer, or smaller ones"},
		{"services", web + numbered(40_000, "  s%d: {}\n"), "1003:3: services: a stack file has at most 1000 services, got 40001"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := one(test.data)
			tree["stacks/.env"] = &fstest.MapFile{Data: []byte("A=" + long[:100] + "\nLONG=" + long)}
			tree["stacks/long.env"] = &fstest.MapFile{Data: []byte("A=" + long + long)}
			tree["stacks/big.env"] = &fstest.MapFile{Data: []byte(numbered(125_000, "A%x=\n"))}
			first, got := "", loadCheaply(t, tree)
			if len(got.Problems) > 0 {
				first = strings.TrimPrefix(strings.TrimPrefix(got.Problems[0].String(), "stacks/"), "shop.yml:")
			}
			if first != test.want {
				t.Errorf("got %.300s", first)
			}
		})
	}
}

// TestWeight holds that neither a tree nor what a Loader remembers takes more memory
// than it may, by limits that are soon reached.
func TestWeight(t *testing.T) {
	const web = "services:\n  web:\n    image: nginx\n"
	many := one(web + "    environment:\n" + numbered(300, "    - A%d=1\n"))["stacks/shop.yml"]
	big := one(web + "    env_file: [big.env]\n    configs: [c]\nconfigs:\n  c: {file: blob}\n")["stacks/shop.yml"]
	tree := fstest.MapFS{
		"stacks/blob": {Data: []byte(strings.Repeat("x", 1000<<10))}, "stacks/big.env": {Data: []byte(numbered(3000, "A%d=1\n"))},
		"stacks/a.yml": many, "stacks/b.yml": many, "stacks/c.yml": big, "stacks/d.yml": big, "stacks/e.yml": many,
	}
	loader := NewLoader()
	loader.maxWeight, loader.maxCached = 3<<20, 300<<10
	for range 2 {
		got := loader.Load(context.Background(), tree, Options{})
		if want := "stacks/e.yml: not read: the stacks before this one take more than 3 MiB: make fewer or smaller ones of them\n"; said(got) != want || len(got.Stacks) != 4 {
			t.Errorf("%d stacks and %s", len(got.Stacks), said(got))
		}
		if kept := len(loader.cache); kept != 2 {
			t.Errorf("%d stacks are remembered", kept)
		}
	}
	tree["stacks/a.yml"] = one(string(many.Data) + "# another one\n")["stacks/shop.yml"]
	loader.Load(context.Background(), tree, Options{})
	if sum := weigh(loader); sum != loader.weight || sum > loader.maxCached {
		t.Errorf("what is remembered weighs %d, said are %d", sum, loader.weight)
	}
}

func weigh(l *Loader) (sum int) {
	for _, one := range l.cache {
		sum += one.weight
	}
	return sum
}

// loadCheaply is load that makes less than 1 GiB. What it makes tells its time too,
// on any machine.
func loadCheaply(t *testing.T, tree fstest.MapFS) Result {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := load(tree)
	runtime.ReadMemStats(&after)
	if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 1024 {
		t.Errorf("it took %d MiB", made)
	}
	return got
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}
