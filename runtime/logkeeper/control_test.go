package logkeeper

import (
	"bufio"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
)

// crowded is a listener that has no room for its first connections.
type crowded struct {
	net.Listener // nil: a test that needs more of it fails
	refuses      int
	conns        chan net.Conn // closed with the listener
}

func (l *crowded) Accept() (net.Conn, error) {
	if l.refuses--; l.refuses >= 0 {
		return nil, syscall.EMFILE
	}
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *crowded) Close() error { close(l.conns); return nil }

func TestServeOutlivesALackOfDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &crowded{refuses: 3, conns: make(chan net.Conn, 1)}
		theirs, ours := net.Pipe()
		l.conns <- theirs
		over := make(chan struct{})
		go func() {
			defer close(over)
			(&keeper{}).serve(l)
		}()
		p := &peer{conn: ours, lines: bufio.NewReader(ours)}
		defer p.close()
		for _, request := range [][2]string{{verbHello, protocol}, {verbQuit, ""}} {
			if err := p.ask(t.Context(), request[0], request[1]); err != nil {
				t.Errorf("%s: %v", request[0], err)
			}
		}
		<-over
	})
}
