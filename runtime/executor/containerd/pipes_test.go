package containerd

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pipes is a log keeper that lives in the tests' process.
type pipes struct {
	dir string

	mu   sync.Mutex
	kept map[string]*output
}

// output is what one task has written.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	more    chan struct{} // closed when text grows
	writers []*os.File    // our own ends, which keep the FIFOs open until Finish
	readers []*os.File
	drained sync.WaitGroup
	paths   [2]string

	finished bool // guarded by the mutex of pipes
}

func newPipes(t testing.TB) *pipes {
	p := &pipes{dir: t.TempDir(), kept: map[string]*output{}}
	t.Cleanup(p.close)
	return p
}

func (p *pipes) Open(_ context.Context, id string) (string, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.kept[id]; o != nil {
		return o.paths[0], o.paths[1], nil
	}
	o := &output{more: make(chan struct{})}
	for i, name := range []string{"out", "err"} {
		o.paths[i] = filepath.Join(p.dir, id+"."+name)
		if err := unix.Mkfifo(o.paths[i], 0o600); err != nil {
			return "", "", err
		}
		reader, err := os.OpenFile(o.paths[i], os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return "", "", err
		}
		writer, err := os.OpenFile(o.paths[i], os.O_WRONLY, 0)
		if err != nil {
			return "", "", err
		}
		o.writers, o.readers = append(o.writers, writer), append(o.readers, reader)
		o.drained.Go(func() {
			defer reader.Close()
			io.Copy(o, reader)
		})
	}
	p.kept[id] = o
	return o.paths[0], o.paths[1], nil
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(b)
}

func (p *pipes) of(id string) *output {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept[id]
}

func (p *pipes) Finish(_ context.Context, id string) error {
	if o := p.of(id); o != nil {
		p.mu.Lock()
		o.finished = true
		p.mu.Unlock()
		for _, w := range o.writers {
			w.Close()
		}
		drained := make(chan struct{})
		go func() {
			o.drained.Wait()
			close(drained)
		}()
		select {
		case <-drained:
		case <-time.After(drainLimit): // somebody keeps a pipe open
		}
	}
	return nil
}

// drainLimit is as long as the log keeper's.
const drainLimit = 2 * time.Second

// open names the tasks whose end the keeper has not been told of.
func (p *pipes) open() (ids []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, o := range p.kept {
		if !o.finished {
			ids = append(ids, "log of "+id)
		}
	}
	return ids
}

// close ends all readers, also those of tasks that a failed test has left.
func (p *pipes) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.kept {
		for _, f := range slices.Concat(o.writers, o.readers) {
			f.Close()
		}
		o.drained.Wait()
	}
}

// text is what the task has written so far.
func (p *pipes) text(id string) string {
	o := p.of(id)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the task has written a text.
func (p *pipes) await(t testing.TB, id, text string) {
	t.Helper()
	o := p.of(id)
	for {
		o.mu.Lock()
		written, more := o.text.String(), o.more
		o.mu.Unlock()
		if strings.Contains(written, text) {
			return
		}
		select {
		case <-more:
		case <-time.After(time.Minute):
			t.Fatalf("task %s has not written %q in a minute, only %q", id, text, written)
		}
	}
}
