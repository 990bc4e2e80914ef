package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/swarmgit/swarmgit"

// layers is the row of every package: a package imports only lower rows. The
// longest matching prefix counts.
var layers = map[string]float64{
	"specs":          0,
	"specs/bell":     0,
	"specs/encoding": 0.5,
	"specs/template": 0.5,

	"specs/wire":       1,
	"schema":           1,
	"reconciler/store": 1,
	"runtime/procfs":   1,
	"runtime/mounts":   1,

	"reconciler/orchestrator": 2,
	"reconciler/rollout":      2,
	"reconciler/restart":      2,
	"reconciler/allocator":    2,
	"reconciler/scheduler":    2,
	"reconciler/converge":     2,
	"reconciler/planner":      2,
	"runtime/task":            2,
	"runtime/network":         2,

	"reconciler/git":        3,
	"reconciler/images":     3,
	"reconciler/consensus":  3,
	"reconciler/dispatcher": 3,
	"reconciler/ca":         3,
	"reconciler/secrets":    3,
	"reconciler/logs":       3,
	"reconciler/metrics":    3,
	"reconciler/events":     3,
	"reconciler/api":        3,
	"runtime/executor":      3,
	"runtime/logkeeper":     3,
	"runtime/network/":      3,
	"runtime/secrets":       3,
	"runtime/identity":      3,

	"reconciler":    4,
	"runtime/agent": 4,

	"cmd":      5,
	"examples": 0, // files to copy; imports nothing of ours
}

// sameRow lists the imports that are allowed within a row, importer first; a
// trailing slash stands for a package and all below it.
var sameRow = [][2]string{
	{"schema/policy", "schema"},
	{"reconciler/converge", "reconciler/orchestrator"},
	{"reconciler/converge", "reconciler/rollout"},
	{"reconciler/converge", "reconciler/restart"},
	{"reconciler/converge", "reconciler/allocator"},
	{"reconciler/converge", "reconciler/scheduler"},
	{"reconciler/planner", "reconciler/converge"},
	{"reconciler/planner", "reconciler/scheduler"}, // to hand a scheduler to converge
	{"reconciler/planner", "reconciler/rollout"},   // to name what a paused rollout failed at
	{"runtime/executor/", "runtime/executor"},
	{"runtime/executor/", "runtime/executor/cgroup"},
	{"runtime/network/", "runtime/network"},
	{"reconciler/git/", "reconciler/git"},
	{"reconciler/git", "reconciler/git/"},
	{"reconciler/git/", "reconciler/git/"},
	{"reconciler/api/", "reconciler/api"},
	{"reconciler/web", "reconciler/api"},
	{"cmd/", "cmd/"},
}

// pure packages are rules: values in, values out.
var pure = []string{
	"specs", "specs/encoding", "specs/template", "reconciler/planner", "reconciler/store", "reconciler/converge",
	"reconciler/orchestrator", "reconciler/rollout", "reconciler/restart", "reconciler/allocator",
	"reconciler/scheduler", "runtime/task", "runtime/network",
}

// impure imports and calls have no place in a rule. The store alone may lock:
// it is a value that many read.
var (
	impureImports = []string{"os", "os/exec", "net", "net/http", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "syscall", "io/ioutil"}
	impureTime    = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
)

// homes: one outside dependency is imported by one part of the tree only.
var homes = map[string][]string{
	"cuelang.org/go":                     {"schema"},
	"gopkg.in/yaml.v3":                   {"schema"},
	"github.com/skeema/knownhosts":       {"reconciler/git"},
	"github.com/hashicorp/raft":          {"reconciler/consensus"},
	"github.com/containerd/containerd":   {"runtime/executor/containerd"},
	"github.com/vishvananda/netlink":     {"runtime/network"},
	"github.com/google/nftables":         {"runtime/network"},
	"github.com/tidwall/btree":           {"reconciler/store"},
	"github.com/fxamacker/cbor":          {"specs/encoding", "reconciler/store"},
	"connectrpc.com/connect":             {"specs/wire"},
	"github.com/prometheus":              {"reconciler/metrics"},
	"github.com/spf13/cobra":             {"cmd"},
	"filippo.io/age":                     {"reconciler/secrets"},
	"github.com/compose-spec/compose-go": {}, // tests only
	"github.com/cloudflare/cfssl":        {}, // tests only
	"github.com/yuin/goldmark":           {}, // tests only: Markdown as Gitea renders it
}

// pins are the versions that were tried together; see the README on why.
var pins = map[string]string{
	"github.com/hashicorp/raft":           "v1.7.3",
	"github.com/hashicorp/raft-wal":       "v0.4.2",
	"github.com/hashicorp/raft-boltdb/v2": "v2.3.1",
	"github.com/hashicorp/go-metrics":     "v0.5.4",
}

type goPackage struct {
	ImportPath string
	Dir        string
	Doc        string
	GoFiles    []string
	Imports    []string
}

func (p goPackage) path() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// packages asks the go command, so that build tags and generated files count as
// they do in a build.
func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func row(path string) (float64, bool) {
	best, found, length := 0.0, false, -1
	for prefix, r := range layers {
		// A trailing slash means "below it, not itself".
		below := strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")
		itself := path == prefix
		if (itself || below) && len(prefix) > length {
			best, found, length = r, true, len(prefix)
		}
	}
	return best, found
}

func allowedInRow(importer, imported string) bool {
	return slices.ContainsFunc(sameRow, func(pair [2]string) bool {
		return under(importer, pair[0]) && under(imported, pair[1])
	})
}

func under(path, pattern string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/"); ok {
		return strings.HasPrefix(path, dir+"/")
	}
	return path == pattern
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		from, ok := row(p.path())
		if !ok {
			t.Errorf("%s has no row: name it in layers", p.path())
			continue
		}
		for _, imported := range p.Imports {
			target, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			to, _ := row(target)
			switch {
			case strings.HasPrefix(p.path(), "reconciler") && strings.HasPrefix(target, "runtime"),
				strings.HasPrefix(p.path(), "runtime") && strings.HasPrefix(target, "reconciler"):
				t.Errorf("%s imports %s: the manager's side and the node's side never meet", p.path(), target)
			case to > from:
				t.Errorf("%s (row %v) imports %s (row %v)", p.path(), from, target, to)
			case to == from && !allowedInRow(p.path(), target):
				t.Errorf("%s imports %s of its own row %v", p.path(), target, from)
			}
		}
	}
}

func TestOutsideDependenciesHaveOneHome(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			for dependency, allowed := range homes {
				if imported != dependency && !strings.HasPrefix(imported, dependency+"/") {
					continue
				}
				atHome := slices.ContainsFunc(allowed, func(home string) bool {
					return p.path() == home || strings.HasPrefix(p.path(), home+"/")
				})
				if !atHome {
					t.Errorf("%s imports %s, whose home is %v", p.path(), imported, allowed)
				}
			}
		}
	}
}

func TestRulesArePure(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.path()) {
			continue
		}
		for _, imported := range p.Imports {
			if slices.Contains(impureImports, imported) {
				t.Errorf("%s imports %s: a rule does no I/O and draws no random number", p.path(), imported)
			}
		}
		for _, name := range p.GoFiles {
			checkPureFile(t, p.path(), filepath.Join(p.Dir, name))
		}
	}
}

func checkPureFile(t *testing.T, pkg, file string) {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%s: a rule starts no goroutine", set.Position(n.Pos()))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(impureTime, n.Sel.Name) {
				t.Errorf("%s: time.%s: a rule of %s gets the time as an argument", set.Position(n.Pos()), n.Sel.Name, pkg)
			}
		}
		return true
	})
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && len(p.Doc) < 20 {
			t.Errorf("%s has no package comment", p.path())
		}
	}
}

func TestPinnedDependencies(t *testing.T) {
	for path, want := range pins {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", path).Output()
		if err != nil {
			t.Errorf("go list -m %s: %v", path, err)
			continue
		}
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("%s is %s; pinned to %s because newer ones do not work together", path, got, want)
		}
	}
}
