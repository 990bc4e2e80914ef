package process

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/signal"
	"github.com/moby/sys/user"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
	"github.com/swarmgit/swarmgit/specs"
)

// program is a task's process as it lies on disk: all that its supervisor needs.
type program struct {
	Boot        string `json:"boot"` // that it was prepared in
	ServiceName string `json:"service_name,omitempty"`

	Path string   `json:"path"`
	Args []string `json:"args"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`

	TTY bool `json:"tty,omitempty"` // its input is its terminal

	User        *account       `json:"user,omitempty"` // nil is the daemon's own
	Ulimits     []specs.Ulimit `json:"ulimits,omitempty"`
	OOMScoreAdj int64          `json:"oom_score_adj,omitempty"`
	StopSignal  syscall.Signal `json:"stop_signal"`

	Stdout string `json:"stdout,omitempty"` // FIFOs; empty throws away
	Stderr string `json:"stderr,omitempty"`

	Cgroups cgroup.FS   `json:"cgroups"`
	Cgroup  string      `json:"cgroup"`
	Made    cgroup.Made `json:"made"`
}

// account is whom a process runs as.
type account struct {
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups,omitempty"`
}

// marker is the environment variable by which a task's processes are known, also
// when everything else about them is lost.
const marker = "SWARMGIT_TASK_ID"

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// newProgram finds on this machine what the task's spec names.
func newProgram(task executor.Task) (program, error) {
	spec := task.Spec
	p := program{
		ServiceName: task.ServiceName, Args: slices.Concat(spec.Entrypoint, spec.Command), Dir: cmp.Or(spec.WorkingDir, "/"),
		Ulimits: spec.Ulimits, OOMScoreAdj: spec.OOMScoreAdj,
	}
	if len(p.Args) == 0 {
		return p, errors.New("a process needs a command")
	}
	who, home, name, err := identify(spec)
	if err != nil {
		return p, err
	}
	p.User = who
	p.Env = marked(task.ID, environment(spec.Env, "PATH="+defaultPath, "HOME="+home, "USER="+name, "LOGNAME="+name))
	if p.StopSignal, err = signal.ParseSignal(cmp.Or(spec.StopSignal, "SIGTERM")); err != nil {
		return p, fmt.Errorf("stop signal %q is not known", spec.StopSignal)
	}
	if info, err := os.Stat(p.Dir); err != nil || !info.IsDir() {
		return p, fmt.Errorf("working directory %s: there is no such directory on this node", p.Dir)
	}
	p.Path, err = find(p.Args[0], p.Dir, variable(p.Env, "PATH"))
	return p, err
}

// environment is the task's own over the defaults, and nothing of the daemon's.
func environment(own []string, defaults ...string) []string {
	var env []string
	for _, pair := range defaults {
		name, _, _ := strings.Cut(pair, "=")
		if !slices.ContainsFunc(own, func(o string) bool { return o == name || strings.HasPrefix(o, name+"=") }) {
			env = append(env, pair)
		}
	}
	for _, pair := range own {
		if strings.Contains(pair, "=") { // else it is there to take a default away
			env = append(env, pair)
		}
	}
	return env
}

// marked is env with our marker, and nobody else's.
func marked(id string, env []string) []string {
	env = slices.DeleteFunc(env, func(pair string) bool { return strings.HasPrefix(pair, marker+"=") })
	return append(env, marker+"="+id)
}

func variable(env []string, name string) string {
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// find is where the program lies: at a path, seen from the working directory, or
// in one of the directories of PATH.
func find(name, dir, path string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, executable(name)
	}
	for _, place := range filepath.SplitList(path) {
		if found := filepath.Join(place, name); filepath.IsAbs(place) && executable(found) == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in PATH (%s)", name, path)
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("exec: %q: executable file not found on this node", path)
	case err != nil:
		return fmt.Errorf("exec: %w", err)
	case info.IsDir() || info.Mode()&0o111 == 0:
		return &exec.Error{Name: path, Err: fs.ErrPermission}
	}
	return nil
}

// identify says who the task's process is, by this machine's users and groups,
// and what its home and name are. Only root may be another than itself.
func identify(spec specs.TaskSpec) (who *account, home, name string, err error) {
	own := &user.ExecUser{Uid: os.Geteuid(), Gid: os.Getegid(), Home: "/"}
	found, err := user.GetExecUserPath(cmp.Or(spec.User, fmt.Sprint(own.Uid)), own, "/etc/passwd", "/etc/group")
	if err != nil {
		return nil, "", "", fmt.Errorf("user %q of this node: %w", spec.User, err)
	}
	groups, err := user.GetAdditionalGroupsPath(spec.Groups, "/etc/group")
	if err != nil {
		return nil, "", "", fmt.Errorf("groups %q of this node: %w", spec.Groups, err)
	}
	name = fmt.Sprint(found.Uid)
	if row, err := user.LookupUid(found.Uid); err == nil {
		name = row.Name
	}
	if os.Geteuid() != 0 {
		if found.Uid != own.Uid || spec.User != "" && found.Gid != own.Gid || len(groups) > 0 {
			return nil, "", "", fmt.Errorf("user %q: the daemon of this node runs as user %d and can run tasks as itself only: leave user out, or run the daemon as root", spec.User, own.Uid)
		}
		return nil, path.Clean(found.Home), name, nil
	}
	who = &account{UID: found.Uid, GID: found.Gid, Groups: slices.Concat([]int{found.Gid}, found.Sgids, groups)}
	slices.Sort(who.Groups)
	who.Groups = slices.Compact(who.Groups)
	return who, path.Clean(found.Home), name, nil
}
