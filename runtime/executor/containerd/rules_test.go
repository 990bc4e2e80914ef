package containerd

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
	"github.com/swarmgit/swarmgit/specs"
)

func TestUnifiedCgroupsHaveANamespace(t *testing.T) {
	namespaces := host{cgroups: cgroup.FS{Unified: true}}.namespaces()
	if namespaces[len(namespaces)-1].Type != "cgroup" {
		t.Errorf("no cgroup namespace in %+v", namespaces)
	}
}

func TestClean(t *testing.T) {
	for given, want := range map[string]string{
		`failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "x": executable file not found in $PATH: unknown`: `exec: "x": executable file not found in the image`,
		`OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd ("/x") set in config.json failed: no such file or directory: unknown`:           `working directory "/x": no such file or directory`,
		`failed to create task for container: OCI runtime create failed: exec: "/x": stat /x: no such file or directory: unknown`:                                              `exec: "/x": executable file not found in the image`,
		`no space left on device`: `no space left on device`,
	} {
		if got := clean(errors.New(given)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	for name, c := range map[string]struct{ add, drop, want []string }{
		"default":             {want: defaultCapabilities},
		"drop all, add one":   {add: []string{"cap_kill"}, drop: []string{"ALL"}, want: []string{"CAP_KILL"}},
		"added twice":         {add: []string{"CHOWN"}, want: defaultCapabilities},
		"drop more than held": {drop: []string{"ALL", "KILL"}, want: nil},
	} {
		got, err := capabilities(c.add, c.drop)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

func TestHostsFile(t *testing.T) {
	task := executor.Task{ID: "abcdefghijklmnop", Spec: specs.TaskSpec{ExtraHosts: []string{"db:10.0.0.1", "six=[::1]"}}}
	want := "127.0.1.1\tabcdefghijkl\n10.0.0.1\tdb\n::1\tsix\n127.0.0.1 localhost\n"
	if got := string(hostsFile(task, []byte("127.0.0.1 localhost\n"))); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestArguments(t *testing.T) {
	img := &image{name: "web"}
	img.config.Entrypoint, img.config.Cmd = []string{"entry"}, []string{"cmd"}
	for name, c := range map[string]struct {
		spec specs.TaskSpec
		want []string
	}{
		"the image's own":             {specs.TaskSpec{}, []string{"entry", "cmd"}},
		"own command":                 {specs.TaskSpec{Command: []string{"x"}}, []string{"entry", "x"}},
		"own entrypoint drops both":   {specs.TaskSpec{Entrypoint: []string{"y"}}, []string{"y"}},
		"own entrypoint and command":  {specs.TaskSpec{Entrypoint: []string{"y"}, Command: []string{"x"}}, []string{"y", "x"}},
		"an init program goes before": {specs.TaskSpec{Init: true}, []string{initTarget, "--", "entry", "cmd"}},
	} {
		got, err := host{initPath: "/usr/bin/tini"}.arguments(c.spec, img)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if _, err := (host{}).arguments(specs.TaskSpec{Init: true}, img); err == nil {
		t.Error("init: true without an init program is accepted")
	}
}
