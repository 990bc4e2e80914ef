package logkeeper

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What is given up of a task may be in the loop already, and its descriptor's
// number another's by the time that the loop comes to it.
func TestAbandonedPumpReadsNothing(t *testing.T) {
	dir := t.TempDir()
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l.epoll)
	task := &kept{dir: dir, log: &log{dir: dir}}
	p, err := openPump(filepath.Join(dir, "stdout"), 0, task.log)
	if err != nil {
		t.Fatal(err)
	}
	task.pumps[0] = p
	if err := l.add(p); err != nil {
		t.Fatal(err)
	}
	number := p.reader
	if err := task.abandon(); err != nil {
		t.Fatal(err)
	}
	another(t, number)
	if moved := l.pump(int32(number)).move(newBuffer()); moved > 0 {
		t.Errorf("%d bytes of another's pipe are in the task's log", moved)
	}
}

// another makes the number that of a pipe which can be read.
func another(t *testing.T, number int) {
	t.Helper()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pipe[0]) })
	t.Cleanup(func() { _ = unix.Close(pipe[1]) })
	if _, err := unix.Write(pipe[1], []byte("another's")); err != nil {
		t.Fatal(err)
	}
	for fd := pipe[0]; fd != number; { // the kernel gives the lowest that is free
		var err error
		if fd, err = unix.Dup(pipe[0]); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
}
