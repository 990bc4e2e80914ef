package logkeeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The control protocol: a request is "verb task\n", the answer "ok\n" or
// "error text\n".
const (
	verbHello  = "hello" // with the protocol's name instead of a task
	verbOpen   = "open"
	verbFinish = "finish"
	verbRemove = "remove"
	verbQuit   = "quit" // the process ends; the logs and FIFOs stay

	protocol = "logkeeper/1"
)

const (
	socketName    = "keeper.sock"
	maxSocketPath = 107 // bytes that the kernel takes

	// acceptPause is between two tries to take a connection for which there is no
	// room now, such as when too many files are open. Logs flow meanwhile.
	acceptPause = 100 * time.Millisecond
)

// listen opens the control socket. The caller holds the lock, so a socket that
// is there is a dead keeper's.
func listen(dir string) (net.Listener, error) {
	path := filepath.Join(dir, socketName)
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path is longer than %d bytes: choose a shorter data directory", path, maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}

// serve answers requests until the listener is closed or a client says quit.
func (k *keeper) serve(listener net.Listener) {
	quit := make(chan struct{}, 1)
	go func() {
		<-quit
		_ = listener.Close()
	}()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		go k.converse(conn, quit)
	}
}

// converse answers the requests of one connection in turn.
func (k *keeper) converse(conn net.Conn, quit chan<- struct{}) {
	defer conn.Close()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		verb, arg, _ := strings.Cut(lines.Text(), " ")
		answer := "ok"
		if err := k.do(verb, arg); err != nil {
			answer = "error " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		if _, err := fmt.Fprintln(conn, answer); err != nil {
			return
		}
		if verb == verbQuit {
			select {
			case quit <- struct{}{}:
			default:
			}
		}
	}
}

func (k *keeper) do(verb, arg string) error {
	switch verb {
	case verbHello:
		if arg != protocol {
			return fmt.Errorf("this keeper speaks %s, not %s", protocol, arg)
		}
		return nil
	case verbQuit:
		return nil
	}
	if err := checkID(arg); err != nil {
		return err
	}
	switch verb {
	case verbOpen:
		return k.open(arg)
	case verbFinish:
		return k.finish(arg)
	case verbRemove:
		return k.remove(arg)
	}
	return fmt.Errorf("unknown verb %q", verb)
}

// peer is the daemon's end of a control connection.
type peer struct {
	conn  net.Conn
	lines *bufio.Reader
}

// dial connects to the keeper of the directory.
func dial(ctx context.Context, dir string) (*peer, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, socketName))
	if err != nil {
		return nil, err
	}
	return &peer{conn: conn, lines: bufio.NewReaderSize(conn, 512)}, nil
}

// refusal is the keeper's own answer that it could not do what was asked.
type refusal string

func (r refusal) Error() string { return string(r) }

// ask sends one request and waits for the answer or the end of ctx.
func (p *peer) ask(ctx context.Context, verb, arg string) error {
	stop := context.AfterFunc(ctx, func() { _ = p.conn.Close() })
	defer stop()
	answer := ""
	_, err := fmt.Fprintln(p.conn, verb, arg)
	if err == nil {
		answer, err = p.lines.ReadString('\n')
	}
	switch text, refused := strings.CutPrefix(strings.TrimSpace(answer), "error "); {
	case err != nil:
		return errors.Join(ctx.Err(), err)
	case refused:
		return refusal(text)
	}
	return nil
}

func (p *peer) close() { _ = p.conn.Close() }
