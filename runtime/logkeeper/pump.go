package logkeeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readSize  = 128 << 10 // bytes read at once
	pipeSize  = 1 << 20   // bytes that a pipe holds while the keeper is away or busy; needs root
	shortRead = 8 << 10   // less than this at once is not worth waking up for
	longRead  = 32 << 10  // more than this at once comes near to what a pipe of 64 KiB holds
	maxPause  = 8 * time.Millisecond
	maxSpare  = 1 << 20 // bytes of record buffer that are kept for the next read
)

// pump moves what a task writes to one stream from its FIFO into its log.
type pump struct {
	stream stream
	reader *os.File
	writer *os.File // our own writing end: the FIFO has no end of file while it is open
	log    *log
	done   chan struct{} // closed when run has returned
}

// openPump opens both ends of the FIFO, which is made if it is not there.
func openPump(path string, s stream, l *log) (*pump, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make FIFO %s: %w", path, err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open FIFO: %w", err)
	}
	writer, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open FIFO: %w", err), reader.Close())
	}
	widen(writer)
	return &pump{stream: s, reader: reader, writer: writer, log: l, done: make(chan struct{})}, nil
}

// widen makes the pipe hold more. Only root may do it for as many as it likes;
// others would use up their small share of all pipes.
func widen(pipe *os.File) {
	conn, err := pipe.SyscallConn() // Fd would make it block
	if err != nil || os.Geteuid() != 0 {
		return
	}
	_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
}

// buffers are shared by all pumps: an idle one has none.
var buffers = sync.Pool{New: func() any { return &buffer{read: make([]byte, readSize)} }}

type buffer struct {
	read    []byte
	records []byte
}

// run moves until the end of file.
func (p *pump) run() {
	defer close(p.done)
	var pause time.Duration
	for {
		n, err := p.move(true)
		if n == 0 || err != nil {
			break
		}
		pause = nextPause(pause, n)
		time.Sleep(pause)
	}
	for n, err := p.move(false); n > 0 && err == nil; n, err = p.move(false) {
	}
	_ = p.reader.Close()
}

// nextPause lets some text gather before the next read, so that a task that
// writes many short lines does not wake the keeper for each, but never so much
// that the pipe could be full.
func nextPause(pause time.Duration, read int) time.Duration {
	switch {
	case read > longRead:
		return pause / 4
	case read < shortRead:
		return min(max(2*pause, maxPause/16), maxPause)
	}
	return pause
}

// move reads once and writes what it read. It waits for something to read only
// if told so, and holds no memory meanwhile. n is 0 at the end of file, or if
// there is nothing now.
func (p *pump) move(wait bool) (n int, err error) {
	conn, err := p.reader.SyscallConn()
	if err != nil {
		return 0, err
	}
	var b *buffer
	read := func(fd uintptr) (done bool) {
		b = buffers.Get().(*buffer)
		if n, err = readFD(int(fd), b.read); err == unix.EAGAIN {
			b.release()
			b, n, err = nil, 0, nil
		}
		return b != nil
	}
	var failed error
	if wait {
		failed = conn.Read(read)
	} else {
		failed = conn.Control(func(fd uintptr) { read(fd) })
	}
	if b == nil {
		return 0, failed
	}
	defer b.release()
	if n <= 0 || err != nil {
		return 0, err
	}
	p.log.write(p.stream, b.read[:n], &b.records)
	return n, nil
}

func readFD(fd int, b []byte) (n int, err error) {
	for {
		if n, err = unix.Read(fd, b); err != unix.EINTR {
			return n, err
		}
	}
}

func (b *buffer) release() {
	if cap(b.records) > maxSpare {
		b.records = nil
	}
	buffers.Put(b)
}

// finish waits until everything that was written is moved: to the end of file,
// or to the end of ctx when somebody keeps the FIFO open.
func (p *pump) finish(ctx context.Context) {
	_ = p.writer.Close()
	select {
	case <-p.done:
	case <-ctx.Done():
		_ = p.reader.SetReadDeadline(time.Unix(1, 0))
		<-p.done
	}
}
