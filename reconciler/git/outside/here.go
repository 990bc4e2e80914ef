package outside

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git"
)

// here is upload-pack as a process on this machine.
type here struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	in     io.WriteCloser
	io.Reader
	complaint complaint
	closed    sync.Once
}

// endLimit is how long upload-pack may take to end before it is killed.
const endLimit = 5 * time.Second

func runHere(ctx context.Context, dir string) (conversation, error) {
	switch info, err := os.Stat(dir); {
	case errors.Is(err, os.ErrNotExist):
		return nil, errors.New("this manager has no such folder: a repository on disk must be on every manager, as any of them may lead")
	case err != nil:
		return nil, err
	case !info.IsDir():
		return nil, errors.New("it is a file, not a repository")
	}
	ctx, cancel := context.WithCancel(ctx)
	h := &here{cmd: exec.CommandContext(ctx, "git", "upload-pack", "--timeout=60", dir), cancel: cancel}
	h.cmd.Env, h.cmd.Stderr = git.Environment(), &h.complaint
	h.cmd.Cancel = func() error { return h.cmd.Process.Signal(syscall.SIGTERM) }
	h.cmd.WaitDelay = endLimit
	var err error
	if h.in, err = h.cmd.StdinPipe(); err == nil {
		if h.Reader, err = h.cmd.StdoutPipe(); err == nil {
			err = h.cmd.Start()
		}
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return h, nil
}

func (h *here) ask(request string) error {
	_, err := io.WriteString(h.in, request)
	return err
}

func (h *here) explain(err error) error {
	if ended(err) {
		_ = h.Close() // which waits for its last words
	}
	return h.complaint.or(err)
}

func (h *here) Close() error {
	h.closed.Do(func() {
		h.cancel()
		_ = h.in.Close()
		_ = h.cmd.Wait() // it was told to end
	})
	return nil
}

// ended reports whether upload-pack has ended by itself: what it said last may not
// have been heard yet.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// complaint keeps the beginning of what is said on stderr.
type complaint struct {
	mu   sync.Mutex
	text []byte
}

func (c *complaint) Write(p []byte) (int, error) {
	const limit = 4 << 10
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, p[:min(len(p), limit-len(c.text))]...)
	return len(p), nil
}

// or is what was said, err if nothing was.
func (c *complaint) or(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, _, _ := strings.Cut(strings.TrimSpace(string(c.text)), "\n")
	if first == "" {
		return err
	}
	return errors.New("it says: " + printable(strings.TrimPrefix(first, "fatal: ")))
}
