package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A service manager hears that the daemon is up, lives and stops, and what the
// daemon starts does not know of it.
func TestServiceManagerHearsOfTheDaemon(t *testing.T) {
	c := processCluster(t)
	next := c.supervise(t)
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	wantWords(t, next("READY=1"), "STATUS=manager ")
	for range 3 {
		wantWords(t, next("WATCHDOG=1"), "STATUS=manager ")
	}
	wantNoneKnows(t, c.path("notify"), c.path("data"))
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	wantWords(t, next("STOPPING=1"), "tasks go on")
}

// supervise has the daemon, from its next start, tell a service manager of itself, and
// returns what waits for what it tells that begins so.
func (c *realCluster) supervise(t *testing.T) (next func(want string) string) {
	t.Helper()
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: c.path("notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = heard.Close() })
	c.setting = append(c.setting, "NOTIFY_SOCKET="+c.path("notify"), "WATCHDOG_USEC=1500000")
	all := make(chan string, 10_000)
	go func() { // at once: a socket keeps ten
		buf := make([]byte, 4096)
		for n, err := heard.Read(buf); err == nil; n, err = heard.Read(buf) {
			all <- string(buf[:n])
		}
	}()
	return func(want string) string {
		for late := time.After(patience); ; {
			select {
			case said := <-all:
				if strings.HasPrefix(said, want+"\n") {
					return said
				} else if want == "READY=1" {
					t.Fatalf("told before it was ready: %s", said)
				}
			case <-late:
				t.Fatalf("%s is not told", want)
			}
		}
	}
}

// A service manager that does not read holds up nobody.
func TestADeafServiceManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	deaf, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	for err == nil { // until its queue is full
		err = supervisor{socket: path}.tell("WATCHDOG=1")
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// wantNoneKnows looks at the environment of what the daemon of dataDir started.
func wantNoneKnows(t *testing.T, socket, dataDir string) {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range commands {
		args, _ := os.ReadFile(path) // it may have ended
		if !strings.Contains(string(args), dataDir) || strings.Contains(string(args), "\x00daemon\x00") {
			continue
		}
		found++
		if environ, err := os.ReadFile(filepath.Join(filepath.Dir(path), "environ")); err == nil && strings.Contains(string(environ), socket) {
			t.Errorf("%q knows of the service manager", args)
		}
	}
	if found == 0 {
		t.Error("nothing was started that could outlive the daemon")
	}
}

func TestUnit(t *testing.T) {
	text := unit("/opt/my tools/swarmgit", "/srv/100%")
	wantWords(t, text, `ExecStart="/opt/my tools/swarmgit" daemon --data-dir "/srv/100%%"`,
		"\nType=notify\n", "\nKillMode=process\n", "\nDelegate=yes\n", "\nRestart=on-failure\n", "\nWatchdogSec=60\n")
}

// What is in the unit is what systemd knows.
func TestUnitIsVerified(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip(err) // a machine without systemd has no use for the unit
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "swarmgit.service")
	if err := os.WriteFile(path, []byte(unit(program, "/var/lib/swarm git")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput(); err != nil || strings.Contains(string(out), path) {
		t.Errorf("systemd-analyze: %v: %s", err, out)
	}
}
