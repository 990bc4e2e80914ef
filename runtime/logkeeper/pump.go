package logkeeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	readSize = 128 << 10 // bytes read at once
	pipeSize = 1 << 20   // bytes that a pipe holds while the keeper is away or pauses; needs root
	maxSpare = 1 << 20   // bytes of record buffer that are kept for the next read
)

// pump moves what a task writes to one stream from its FIFO into its log.
type pump struct {
	stream stream
	log    *log
	writer int           // our own writing end: the FIFO has no end of file while it is open
	size   int           // bytes that the FIFO holds
	ended  chan struct{} // closed at the end of file

	mu     sync.Mutex
	reader int // -1 once closed
}

// buffer is what moving needs. It may be used for one pump after the other.
type buffer struct {
	read    []byte
	records []byte
}

func newBuffer() *buffer { return &buffer{read: make([]byte, readSize)} }

// openPump opens both ends of the FIFO, which is made if it is not there.
func openPump(path string, s stream, l *log) (*pump, error) {
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make FIFO %s: %w", path, err)
	}
	const flags = unix.O_NONBLOCK | unix.O_CLOEXEC
	reader, err := unix.Open(path, unix.O_RDONLY|flags, 0)
	if err != nil {
		return nil, fmt.Errorf("open FIFO %s: %w", path, err)
	}
	writer, err := unix.Open(path, unix.O_WRONLY|flags, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open FIFO %s: %w", path, err), unix.Close(reader))
	}
	return &pump{
		stream: s, log: l, writer: writer, reader: reader, size: widen(writer), ended: make(chan struct{}),
	}, nil
}

// widen makes the pipe hold more and returns how much it holds. Only root may do
// it for as many as it likes; others would use up their small share of all
// pipes.
func widen(fd int) (size int) {
	if os.Geteuid() == 0 {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize)
	}
	size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return os.Getpagesize() // the least that it can be
	}
	return size
}

// move writes what the FIFO holds to the log. It does not wait.
func (p *pump) move(b *buffer) (moved int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.reader >= 0 && moved < pipeSize {
		n, err := readFD(p.reader, b.read)
		if n <= 0 {
			if err != unix.EAGAIN {
				p.end()
			}
			break
		}
		p.log.write(p.stream, b.read[:n], &b.records)
		moved += n
		if n < len(b.read) {
			break
		}
	}
	if cap(b.records) > maxSpare {
		b.records = nil
	}
	return moved
}

func readFD(fd int, b []byte) (n int, err error) {
	for {
		if n, err = unix.Read(fd, b); err != unix.EINTR {
			return n, err
		}
	}
}

// end closes the reading end, which takes it out of the loop as well.
func (p *pump) end() {
	_ = unix.Close(p.reader)
	p.reader = -1
	close(p.ended)
}

// finish waits until everything that was written is moved: to the end of file,
// or, when somebody keeps the FIFO open, what it holds at the end of ctx.
func (p *pump) finish(ctx context.Context) {
	_ = unix.Close(p.writer)
	select {
	case <-p.ended:
		return
	case <-ctx.Done():
	}
	p.move(newBuffer()) // once: whoever keeps it open may write on for ever
	p.stop()
}

// stop ends what has not ended. The loop may hold it still, and would read from
// whatever has the number next.
func (p *pump) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reader >= 0 {
		p.end()
	}
}
