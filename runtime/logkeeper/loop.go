package logkeeper

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxEvents = 512 // pumps in one round; the others come in the next

	// burstRate, in bytes a second, is what a task may suddenly begin to write
	// without having to wait: pauses are short enough for it.
	burstRate = 32 << 20
	minPause  = 500 * time.Microsecond
)

// loop moves the text of all tasks, one after the other, in one thread. Between
// rounds it pauses, so that tasks that write many short lines do not wake it for
// each: nobody waits on the pipes meanwhile.
type loop struct {
	epoll int

	mu    sync.Mutex
	pumps map[int32]*pump // by reading end
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &loop{epoll: fd, pumps: make(map[int32]*pump)}, nil
}

// add makes the loop move what comes through the pump, until its end.
func (l *loop) add(p *pump) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	fd := int32(p.reader)
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, p.reader, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: fd}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	l.pumps[fd] = p // one that ended had the number before
	return nil
}

func (l *loop) pump(fd int32) *pump {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pumps[fd]
}

// run is the loop; it ends with the process.
func (l *loop) run() {
	events, b := make([]unix.EpollEvent, maxEvents), newBuffer()
	for pause := time.Duration(0); ; time.Sleep(pause) {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			panic(fmt.Sprintf("log keeper: epoll: %v", err))
		}
		r := round{pause: pause}
		for _, event := range events[:max(n, 0)] {
			p := l.pump(event.Fd)
			r.saw(p.size, p.move(b))
		}
		pause = r.next()
	}
}

// round is what one round of the loop found.
type round struct {
	pause        time.Duration // before it
	full, filled bool          // a pipe was half full, was not nearly empty
	smallest     int           // pipe, in bytes
}

func (r *round) saw(size, moved int) {
	r.full = r.full || moved > size/2
	r.filled = r.filled || moved > size/8
	if r.smallest == 0 || size < r.smallest {
		r.smallest = size
	}
}

// next is the pause after the round: longer when little had gathered, shorter
// when a task was near to having to wait.
func (r *round) next() time.Duration {
	limit := time.Second * time.Duration(r.smallest) / burstRate
	switch {
	case r.full:
		return min(r.pause/2, limit)
	case !r.filled:
		return min(max(2*r.pause, minPause), limit)
	}
	return min(r.pause, limit)
}
