package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// requireLoopback refuses an address that others could reach: without
// certificates nothing may listen there.
func requireLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("--http %s: write it as HOST:PORT, such as 127.0.0.1:2378", addr)
	}
	if isLoopback(host) {
		return nil
	}
	return fmt.Errorf("--http %s: only loopback addresses are served while there is no TLS: use 127.0.0.1, and an SSH tunnel from elsewhere", addr)
}

func listenTCP(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the port is in use%s: stop it, or give another %s", addr, portOwner(addr), flag)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("listen on %s: this machine has no such address: give another %s", addr, flag)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// portOwner is " by nginx (pid 812)" when that can be found out.
func portOwner(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		return ""
	}
	inode := listeningInode(n)
	if inode == "" {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && target == "socket:["+inode+"]" {
			pid := strings.Split(fd, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf(" by %s (pid %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}

// listeningInode finds the socket that listens on a port, in the kernel's
// tables; see proc(5).
func listeningInode(port int) string {
	const listening = "0A"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, _ := os.ReadFile(table)
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if len(fields) > 9 && fields[3] == listening && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				return fields[9]
			}
		}
	}
	return ""
}

// listenSocket opens the daemon's own socket, which only its user can use. The
// socket of a daemon that was killed is replaced, that of a live one is not.
func listenSocket(path string) (net.Listener, error) {
	if err := socketDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	turn, err := socketTurn(path)
	if err != nil {
		return nil, err
	}
	defer turn.Close()
	if err := clearSocket(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EINVAL) {
		return nil, fmt.Errorf("listen at %s: the path of a socket has at most 107 bytes: give a shorter --socket", path)
	}
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("close %s to others: %w", path, err), l.Close())
	}
	return l, nil
}

// socketTurn keeps others from replacing or removing the socket until the file is
// closed, or waits for them: between a look at a dead one and what follows, another
// daemon could put its own there. It locks the directory, so that no file is left.
func socketTurn(path string) (*os.File, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("open the directory of the daemon's socket: %w", err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the directory of the daemon's socket, %s: %w: its file system must have flock(2)", dir.Name(), err), dir.Close())
	}
	return dir, nil
}

// socketDir makes the default runtime directory. One that a person named has to
// be there: a slip in it is not worth a new directory.
func socketDir(dir string) error {
	if dir == runtimeDir() {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the directory of the daemon's socket: %w", err)
		}
		return ownDir(dir)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("--socket: there is no directory %s: make it, or name another place", dir)
	}
	return nil
}

// ownDir refuses a directory in which others can put a socket of theirs: the one in
// /tmp is whose who makes it first.
func ownDir(dir string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(dir, &stat); err != nil {
		return &fs.PathError{Op: "look at", Path: dir, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || int(stat.Uid) != os.Geteuid() || stat.Mode&0o022 != 0 {
		return fmt.Errorf("%s is not a directory of this user alone: remove it, or name the socket elsewhere", dir)
	}
	return nil
}

// clearSocket makes room at path: nothing is there, or the socket of a daemon
// that was killed.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case os.IsNotExist(err):
		return nil
	case err != nil:
		return fmt.Errorf("look for a daemon at %s: %w", path, err)
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is no socket: give another --socket", path)
	}
	if !deadSocket(path) {
		return fmt.Errorf("another daemon answers at %s: stop it, or give another --socket", path)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("replace the socket of a dead daemon: %w", err)
	}
	return nil
}

// removeSocket removes the socket of a daemon that was killed, if it still is that:
// another node's daemon may have taken its place.
func removeSocket(path string) error {
	turn, err := socketTurn(path)
	if err != nil {
		return err
	}
	defer turn.Close()
	if !deadSocket(path) {
		return nil
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove the socket of a dead daemon: %w", err)
	}
	return nil
}

// deadSocket reports whether a socket is there that nobody listens at: a
// connection is refused. One that lives may be too busy to answer.
func deadSocket(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return false
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close() // nothing was said
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
