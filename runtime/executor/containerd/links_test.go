package containerd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// What a stack file may not name, a link of the node may not stand for.
func TestLinksLeadToNoEngineSocket(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"sockets": "/run", "all": "/", "data": dir, "twice": filepath.Join(dir, "sockets")} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for source, want := range map[string]string{
		filepath.Join(dir, "sockets"): "", filepath.Join(dir, "all"): "", filepath.Join(dir, "twice"): "",
		"/proc/self/root/run": "", filepath.Join(dir, "all", "run"): "",
		filepath.Join(dir, "data"): dir, "/": "/",
	} {
		made, err := taskMount(specs.Mount{Type: specs.MountBind, Source: source, Target: "/data"})
		if want == "" && (err == nil || !strings.Contains(err.Error(), "bind source "+source+" leads to /")) {
			t.Errorf("%s is mounted from %s (%v)", source, made.Source, err)
		}
		if want != "" && (err != nil || made.Source != want) {
			t.Errorf("%s is mounted from %s (%v), not %s", source, made.Source, err, want)
		}
	}
}
