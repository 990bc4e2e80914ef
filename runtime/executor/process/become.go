package process

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// become makes the calling process what the task's process is to be, and then
// its program, which lies at path. It returns only why it cannot.
func become(path string) error {
	parent := os.Getppid()
	unix.CloseOnExec(programFD)
	p, err := readProgram(path)
	if err != nil {
		return err
	}
	unix.Umask(0o022)
	if err := setOOMScoreAdj(p.OOMScoreAdj); err != nil {
		return err
	}
	if err := setUlimits(p); err != nil {
		return err
	}
	for _, procs := range p.Made.Procs { // late: what this program has used does not count
		if err := os.WriteFile(procs, []byte("0"), 0); err != nil {
			return fmt.Errorf("join cgroup %s: %w", p.Cgroup, err)
		}
	}
	if err := setUser(p.User); err != nil {
		return err
	}
	if err := os.Chdir(p.Dir); err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	// A change of user has undone it.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the supervisor: %w", err)
	}
	if os.Getppid() != parent {
		return errKilled
	}
	signal.Notify(make(chan os.Signal, 1)) // what the daemon ignores is back to its default in the program
	return fmt.Errorf("exec: %q: %w", p.Path, syscall.Exec(p.Path, p.Args, p.Env))
}

func setOOMScoreAdj(value int64) error {
	if err := os.WriteFile("/proc/self/oom_score_adj", fmt.Append(nil, value), 0); err != nil && value != 0 {
		return fmt.Errorf("oom_score_adj %d: %w", value, err)
	}
	return nil
}

// setUser makes the process another user's. One that stays the daemon's own gains
// no rights by any program that it runs: else it could leave behind what nobody
// but root can end.
func setUser(who *account) error {
	if os.Geteuid() != 0 {
		return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	for _, output := range []int{1, 2} { // so that it may open /dev/stdout
		var info unix.Stat_t
		if unix.Fstat(output, &info) == nil && info.Mode&unix.S_IFMT == unix.S_IFIFO {
			if err := unix.Fchown(output, who.UID, -1); err != nil {
				return fmt.Errorf("give it its output: %w", err)
			}
		}
	}
	if err := syscall.Setgroups(who.Groups); err != nil {
		return fmt.Errorf("become of groups %v: %w", who.Groups, err)
	}
	if err := syscall.Setgid(who.GID); err != nil {
		return fmt.Errorf("become of group %d: %w", who.GID, err)
	}
	if err := syscall.Setuid(who.UID); err != nil {
		return fmt.Errorf("become user %d: %w", who.UID, err)
	}
	return nil
}

var ulimits = map[string]int{
	"core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA, "fsize": unix.RLIMIT_FSIZE,
	"locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE,
	"nofile": unix.RLIMIT_NOFILE, "nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// setUlimits sets the task's limits; -1 is none, which is the largest number.
func setUlimits(p program) error {
	for _, u := range p.Ulimits {
		limit, known := ulimits[u.Name]
		if !known {
			return fmt.Errorf("ulimit %q is not known", u.Name)
		}
		err := syscall.Setrlimit(limit, &syscall.Rlimit{Cur: uint64(u.Soft), Max: uint64(u.Hard)})
		if err != nil {
			return fmt.Errorf("ulimit %s %d:%d: %w", u.Name, u.Soft, u.Hard, err)
		}
	}
	return nil
}
