package containerd

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// bench is an engine with an image, for tests that run something in it.
type bench struct {
	*Engine
	pipes *pipes
	image string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	pipes := newPipes(t)
	engine := openEngine(t, pipes)
	return &bench{Engine: engine, pipes: pipes, image: loadTestImage(t, engine)}
}

// unowned is a new task of the tests' image.
func (b *bench) unowned(spec specs.TaskSpec) executor.Task {
	if spec.Image == "" {
		spec.Image = b.image
	}
	return executor.Task{
		ID: "task" + strings.ToLower(rand.Text())[:21], Name: "shop_web.1", ServiceName: "shop_web", Stack: "shop", Spec: spec,
	}
}

// task is a new task of the tests' image, removed when the test ends.
func (b *bench) task(t testing.TB, spec specs.TaskSpec) executor.Task {
	t.Helper()
	task := b.unowned(spec)
	t.Cleanup(func() {
		ctx, cancel := withTimeout()
		defer cancel()
		if err := b.Remove(ctx, task.ID); err != nil {
			t.Error(err)
		}
	})
	return task
}

// start starts a new task that runs the program with arguments.
func (b *bench) start(t testing.TB, spec specs.TaskSpec, args ...string) executor.Task {
	t.Helper()
	spec.Command = args
	task := b.task(t, spec)
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	return task
}

// run runs the program to its end and returns what it wrote.
func (b *bench) run(t testing.TB, spec specs.TaskSpec, args ...string) (string, specs.Exit) {
	t.Helper()
	task := b.start(t, spec, args...)
	exit, err := b.Wait(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	return b.pipes.text(task.ID), exit
}

// output is what a program writes that must succeed.
func (b *bench) output(t testing.TB, spec specs.TaskSpec, args ...string) string {
	t.Helper()
	text, exit := b.run(t, spec, args...)
	if exit.Code != 0 {
		t.Fatalf("%q ended with %+v: %s", args, exit, text)
	}
	return text
}

func TestProcess(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		spec specs.TaskSpec
		args []string
		want string // a line of the output
	}{
		"image's environment":   {args: []string{"env"}, want: "FROM=image"},
		"own environment":       {spec: specs.TaskSpec{Env: []string{"FROM=task"}}, args: []string{"env"}, want: "FROM=task"},
		"path":                  {args: []string{"env"}, want: defaultPath},
		"home":                  {spec: specs.TaskSpec{User: "app"}, args: []string{"env"}, want: "HOME=/home/app"},
		"root":                  {args: []string{"id"}, want: "0 0 [0]"},
		"user by name":          {spec: specs.TaskSpec{User: "app"}, args: []string{"id"}, want: "1000 1001 [1001 1002]"},
		"user by number":        {spec: specs.TaskSpec{User: "7:8"}, args: []string{"id"}, want: "7 8 [8]"},
		"additional groups":     {spec: specs.TaskSpec{User: "7:8", Groups: []string{"audio", "44"}}, args: []string{"id"}, want: "7 8 [8 29 44]"},
		"working directory":     {spec: specs.TaskSpec{WorkingDir: "/made/here"}, args: []string{"pwd"}, want: "/made/here"},
		"host name":             {spec: specs.TaskSpec{Hostname: "web-1"}, args: []string{"host"}, want: "web-1"},
		"extra hosts":           {spec: specs.TaskSpec{ExtraHosts: []string{"db:10.1.2.3"}}, args: []string{"cat=/etc/hosts"}, want: "10.1.2.3\tdb"},
		"host name in a file":   {spec: specs.TaskSpec{Hostname: "web-1"}, args: []string{"cat=/etc/hostname"}, want: "web-1"},
		"standard error":        {args: []string{"complain=oops"}, want: "oops"},
		"a terminal":            {spec: specs.TaskSpec{TTY: true}, args: []string{"env"}, want: "TERM=xterm"},
		"ulimit":                {spec: specs.TaskSpec{Ulimits: []specs.Ulimit{{Name: "memlock", Soft: 4096, Hard: 8192}}}, args: []string{"cat=/proc/self/limits"}, want: "Max locked memory         4096                 8192                 bytes     "},
		"out of memory score":   {spec: specs.TaskSpec{OOMScoreAdj: 321}, args: []string{"cat=/proc/self/oom_score_adj"}, want: "321"},
		"sysctl":                {spec: specs.TaskSpec{Sysctls: map[string]string{"kernel.msgmax": "4096"}}, args: []string{"cat=/proc/sys/kernel/msgmax"}, want: "4096"},
		"default capabilities":  {args: []string{"cat=/proc/self/status"}, want: "CapEff:\t00000000a80425fb"},
		"no capability":         {spec: specs.TaskSpec{CapDrop: []string{"ALL"}}, args: []string{"cat=/proc/self/status"}, want: "CapBnd:\t0000000000000000"},
		"added capability":      {spec: specs.TaskSpec{CapDrop: []string{"all"}, CapAdd: []string{"net_admin"}}, args: []string{"cat=/proc/self/status"}, want: "CapEff:\t0000000000001000"},
		"rights of a user":      {spec: specs.TaskSpec{User: "app"}, args: []string{"cat=/proc/self/status"}, want: "CapEff:\t0000000000000000"},
		"seccomp":               {args: []string{"cat=/proc/self/status"}, want: "Seccomp:\t2"},
		"command after command": {args: []string{"print=a", "print=b"}, want: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(b.output(t, c.spec, c.args...), "\r\n", "\n")
			if !strings.Contains("\n"+text, "\n"+c.want+"\n") {
				t.Errorf("no line %q in\n%s", c.want, text)
			}
		})
	}
}

func TestMounts(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	bindDir := func(readOnly bool) specs.TaskSpec {
		return specs.TaskSpec{Mounts: []specs.Mount{{Type: specs.MountBind, Source: dir, Target: "/data", ReadOnly: readOnly}}}
	}
	if got := b.output(t, bindDir(true), "cat=/data/in"); got != "from the host\n" {
		t.Errorf("read %q through a bind", got)
	}
	if text, exit := b.run(t, bindDir(true), "write=/data/out"); !strings.Contains(text, "read-only file system") {
		t.Errorf("write through a read-only bind: %+v, %q", exit, text)
	}
	b.output(t, bindDir(false), "write=/data/out")
	if text, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(text) != "written\n" {
		t.Errorf("the host sees %q, %v", text, err)
	}

	made := filepath.Join(dir, "made", "by", "us")
	b.output(t, specs.TaskSpec{Mounts: []specs.Mount{
		{Type: specs.MountBind, Source: made, Target: "/x", CreateHost: true}}}, "write=/x/out")
	if !pathExists(filepath.Join(made, "out")) {
		t.Errorf("%s was not made", made)
	}

	readOnly := specs.TaskSpec{ReadOnly: true, Mounts: []specs.Mount{
		{Type: specs.MountTmpfs, Target: "/tmp", TmpfsSize: 1 << 20, TmpfsMode: 0o1777}}}
	b.output(t, readOnly, "write=/tmp/out")
	if text, _ := b.run(t, readOnly, "write=/out"); !strings.Contains(text, "read-only file system") {
		t.Errorf("write to a read-only root: %q", text)
	}
	mounts := b.output(t, specs.TaskSpec{ShmSize: 3 << 20, Mounts: readOnly.Mounts}, "cat=/proc/self/mounts")
	for _, want := range []string{"shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=3072k", "tmpfs /tmp tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k"} {
		if !strings.Contains(mounts, want) {
			t.Errorf("no %q in\n%s", want, mounts)
		}
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		spec specs.TaskSpec
		want string
	}{
		"missing bind source": {
			specs.TaskSpec{Mounts: []specs.Mount{{Type: specs.MountBind, Source: "/no/such/dir", Target: "/x"}}},
			"prepare: bind source /no/such/dir does not exist on this node: create it, or set bind.create_host_path"},
		"missing command": {
			specs.TaskSpec{Entrypoint: []string{"nosuch"}},
			`prepare: exec: "nosuch": executable file not found in the image`},
		"missing command by path": {
			specs.TaskSpec{Entrypoint: []string{"/bin/nosuch"}},
			`prepare: exec: "/bin/nosuch": executable file not found in the image`},
		"command that is no program": {
			specs.TaskSpec{Entrypoint: []string{"/etc/passwd"}},
			`prepare: exec: "/etc/passwd": permission denied`},
		"unknown user": {
			specs.TaskSpec{User: "nobody-knows"},
			`prepare: user "nobody-knows" of image docker.io/` + testRef + `: unable to find user nobody-knows: no matching entries in passwd file`},
		"unknown capability": {
			specs.TaskSpec{CapAdd: []string{"FLY"}}, `prepare: capability "FLY" is not known on this machine`},
		"unknown stop signal": {
			specs.TaskSpec{StopSignal: "SIGNOPE"}, `prepare: stop signal "SIGNOPE" is not known`},
		"bad image name": {
			specs.TaskSpec{Image: "UPPER:1"}, `image "UPPER:1": invalid reference format: repository name (library/UPPER) must be lowercase`},
	} {
		t.Run(name, func(t *testing.T) {
			err := b.Prepare(t.Context(), b.task(t, c.spec), nil)
			if err == nil || strings.ReplaceAll(err.Error(), "docker.io/swarmgit.test", "swarmgit.test") !=
				strings.ReplaceAll(c.want, "docker.io/swarmgit.test", "swarmgit.test") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	b := newBench(t)
	task := b.start(t, specs.TaskSpec{Limits: specs.Limits{CPUs: 250_000_000, Memory: 64 << 20, Pids: 50}}, "sleep")
	groups := b.host.cgroups
	type limit struct{ controller, name, want string }
	limits := []limit{
		{"memory", "memory.limit_in_bytes", "67108864"},
		{"cpu", "cpu.cfs_quota_us", "25000"},
		{"cpu", "cpu.cfs_period_us", "100000"},
		{"pids", "pids.max", "50"},
	}
	if groups.Unified {
		limits = []limit{{"", "memory.max", "67108864"}, {"", "cpu.max", "25000 100000"}, {"", "pids.max", "50"}}
	}
	for _, l := range limits {
		text, err := os.ReadFile(groups.File(l.controller, b.cgroup(task.ID), l.name))
		if got := strings.TrimSpace(string(text)); err != nil || got != l.want {
			t.Errorf("%s is %q, want %q (%v)", l.name, got, l.want, err)
		}
	}
}

func TestTinyShareOfACPU(t *testing.T) {
	b := newBench(t)
	b.output(t, specs.TaskSpec{Limits: specs.Limits{CPUs: 1_000_000_000 / 100}}, "print=slow")
}

func TestOutOfMemoryIsNamed(t *testing.T) {
	b := newBench(t)
	_, exit := b.run(t, specs.TaskSpec{Limits: specs.Limits{Memory: 16 << 20}}, "eat=64")
	if want := (specs.Exit{Code: 137, OOM: true}); exit != want {
		t.Errorf("exit %+v, want %+v", exit, want)
	}
	_, exit = b.run(t, specs.TaskSpec{Limits: specs.Limits{Memory: 64 << 20}}, "exit=1")
	if want := (specs.Exit{Code: 1}); exit != want {
		t.Errorf("exit %+v, want %+v", exit, want)
	}
}

func TestStopSignal(t *testing.T) {
	b := newBench(t)
	task := b.start(t, specs.TaskSpec{StopSignal: "SIGQUIT"}, "sleep")
	b.pipes.await(t, task.ID, "ready")
	if err := b.Stop(t.Context(), task.ID, time.Minute); err != nil {
		t.Fatal(err)
	}
	if exit, err := b.Wait(t.Context(), task.ID); err != nil || exit.Code != 128+3 {
		t.Errorf("exit %+v, %v, want code 131", exit, err)
	}
}

func TestOutputIsWholeWhenWaitReturns(t *testing.T) {
	b := newBench(t)
	const lines = 2000
	args := make([]string, lines)
	for i := range args {
		args[i] = "print=" + strconv.Itoa(i)
	}
	text := b.output(t, specs.TaskSpec{}, args...)
	if got := strings.Count(text, "\n"); got != lines {
		t.Errorf("%d lines, want %d", got, lines)
	}
}
