package containerd

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// execPipes are the FIFOs of one command. An empty path is none.
type execPipes struct {
	stdinPath, stdoutPath, stderrPath string

	stdin   *os.File
	outputs []execOutput // read by one goroutine each
	copying sync.WaitGroup
}

// execOutput is one FIFO that a command writes to.
type execOutput struct {
	pipe *os.File
	to   io.Writer
}

// openExecPipes makes the FIFOs that c needs, below dir. Its own ends are open
// before those of containerd, which waits for them.
func openExecPipes(dir string, c executor.Command) (p *execPipes, err error) {
	p = &execPipes{}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.close(false)
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if c.Stdin != nil {
		// Readable too, or it could not be opened before its reader is.
		if p.stdin, p.stdinPath, err = openFIFO(dir, "stdin", os.O_RDWR); err != nil {
			return p, err
		}
	}
	if p.stdoutPath, err = p.output(dir, "stdout", c.Stdout); err != nil {
		return p, err
	}
	switch {
	case c.TTY: // a terminal has one output
	case c.Stderr == c.Stdout:
		p.stderrPath = p.stdoutPath
	default:
		p.stderrPath, err = p.output(dir, "stderr", c.Stderr)
	}
	return p, err
}

func (p *execPipes) output(dir, name string, to io.Writer) (path string, err error) {
	if to == nil {
		to = io.Discard // runc's shim takes all pipes or none
	}
	pipe, path, err := openFIFO(dir, name, os.O_RDONLY)
	if err == nil {
		p.outputs = append(p.outputs, execOutput{pipe, to})
	}
	return path, err
}

// openFIFO makes a FIFO and opens it so that reads and writes can be ended.
func openFIFO(dir, name string, flag int) (*os.File, string, error) {
	path := filepath.Join(dir, name)
	if err := unix.Mkfifo(path, 0o600); err != nil {
		return nil, "", &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	f, err := os.OpenFile(path, flag|unix.O_NONBLOCK, 0)
	return f, path, err
}

// copy begins to pass on what comes, once containerd has opened its ends. A
// writer that fails ends the command.
func (p *execPipes) copy(c executor.Command, closeInput func(), end func(error)) {
	for _, o := range p.outputs {
		p.copying.Go(func() {
			if _, err := io.Copy(o.to, o.pipe); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				end(err)
			}
		})
	}
	if c.Stdin == nil {
		return
	}
	go func() { // it may be in a Read for ever: nobody waits for it
		_, _ = io.Copy(p.stdin, c.Stdin)
		p.stdin.Close()
		closeInput()
	}()
}

// close returns once everything is passed on. ended says that containerd has
// closed its ends; else nobody knows when there is no more.
func (p *execPipes) close(ended bool) {
	if p.stdin != nil {
		p.stdin.Close()
	}
	for _, o := range p.outputs {
		if !ended {
			_ = o.pipe.SetReadDeadline(time.Now())
		}
	}
	p.copying.Wait()
	for _, o := range p.outputs {
		o.pipe.Close()
	}
}
