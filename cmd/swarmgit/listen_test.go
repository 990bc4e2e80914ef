package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestRequireLoopback(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:2378":    "",
		"127.1.2.3:0":       "",
		"[::1]:2378":        "",
		"localhost:2378":    "",
		"0.0.0.0:2378":      "only loopback",
		":2378":             "only loopback",
		"[::]:2378":         "only loopback",
		"10.0.0.5:2378":     "only loopback",
		"example.com:2378":  "only loopback",
		"localhost.evil:80": "only loopback",
		"127.0.0.1":         "write it as HOST:PORT",
		"":                  "write it as HOST:PORT",
	} {
		err := requireLoopback(addr)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestABusyPortNamesItsOwner(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		first, err := listenTCP("--http", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Logf("%s is not here: %v", host, err)
			continue
		}
		defer first.Close()
		comm, err := os.ReadFile("/proc/self/comm")
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("the port is in use by %s (pid %d): stop it, or give another --http", strings.TrimSpace(string(comm)), os.Getpid())
		if second, err := listenTCP("--http", first.Addr().String()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v", second, err)
		}
	}
}

func TestListenNeedsAnAddressOfThisMachine(t *testing.T) {
	_, err := listenTCP("--listen", "192.0.2.1:0") // no machine has it, see RFC 5737
	if want := "listen on 192.0.2.1:0: this machine has no such address: give another --listen"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestListenSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	live, err := listenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", path, info.Mode(), err)
	}
	if second, err := listenSocket(path); err == nil || !strings.Contains(err.Error(), "another daemon answers at "+path) {
		t.Fatalf("beside a live one: %v, %v", second, err)
	}
	if conn, err := net.Dial("unix", path); err != nil {
		t.Errorf("the live one was harmed: %v", err)
	} else {
		_ = conn.Close()
	}

	live.(*net.UnixListener).SetUnlinkOnClose(false) // as if it was killed
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := listenSocket(path)
	if err != nil {
		t.Fatalf("after a dead one: %v", err)
	}
	_ = again.Close()
}

// Of daemons that start at the same moment where one was killed, one has the socket;
// the others say who has it.
func TestDaemonsDoNotTakeASocketFromEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	for range 100 {
		leaveDeadSocket(t, path)
		var listeners [4]net.Listener
		var errs [len(listeners)]error
		var starting sync.WaitGroup
		for i := range listeners {
			starting.Go(func() { listeners[i], errs[i] = listenSocket(path) })
		}
		starting.Wait()
		var live []net.Listener
		for i, l := range listeners {
			switch {
			case errs[i] == nil:
				live = append(live, l)
			case !strings.Contains(errs[i].Error(), "another daemon answers at "+path):
				t.Error(errs[i])
			}
		}
		for _, l := range live {
			_ = l.Close()
		}
		if len(live) != 1 {
			t.Fatalf("%d daemons have the socket", len(live))
		}
	}
}

// leaveDeadSocket leaves what a daemon leaves that is killed.
func leaveDeadSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A slip of the pen in --socket must not cost a file.
func TestListenSocketKeepsWhatIsNoSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := listenSocket(path)
	if err == nil {
		_ = l.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file: %q, %v", text, err)
	}
}

// A daemon that is too busy to accept is not dead: its socket stays its own.
func TestABusyDaemonKeepsItsSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil { // a queue of one
		t.Fatal(err)
	}
	waiting, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer waiting.Close()
	if l, err := listenSocket(path); err == nil {
		_ = l.Close()
		t.Error("it took the socket of a live daemon")
	}
}
