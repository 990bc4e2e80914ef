package main

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A service manager hears that the daemon is up, lives and stops, and what the
// daemon starts does not know of it.
func TestServiceManagerHearsOfTheDaemon(t *testing.T) {
	c := &realCluster{flags: []string{"--init", "--listen", "127.0.0.1:0", "--executor", "process"}}
	var err error
	if c.dir, err = os.MkdirTemp("", "swarmgit-e2e-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.end(); err != nil {
			t.Error(err)
		}
	})
	c.tellOnFailure(t)
	if c.http, err = freePort(); err != nil {
		t.Fatal(err)
	}
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: c.path("notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	c.setting = []string{"NOTIFY_SOCKET=" + c.path("notify"), "WATCHDOG_USEC=300000"}
	if err := errors.Join(os.MkdirAll(c.path("data"), 0o700), c.start()); err != nil {
		t.Fatal(err)
	}
	next := func(want string) string {
		buf := make([]byte, 4096)
		for {
			if err := heard.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			n, err := heard.Read(buf)
			if err != nil {
				t.Fatalf("%s is not told: %v", want, err)
			}
			if said := string(buf[:n]); strings.HasPrefix(said, want+"\n") {
				return said
			} else if want == "READY=1" {
				t.Fatalf("told before it was ready: %s", said)
			}
		}
	}
	wantWords(t, next("READY=1"), "STATUS=manager ")
	for range 3 {
		wantWords(t, next("WATCHDOG=1"), "STATUS=manager ")
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	wantWords(t, next("STOPPING=1"), "tasks go on")
}

func TestUnit(t *testing.T) {
	text := unit("/opt/my tools/swarmgit", "/srv/100%")
	wantWords(t, text, `ExecStart="/opt/my tools/swarmgit" daemon --data-dir "/srv/100%%"`,
		"\nType=notify\n", "\nKillMode=process\n", "\nDelegate=yes\n", "\nRestart=always\n", "\nWatchdogSec=60\n")
}
