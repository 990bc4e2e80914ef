package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// object is one Git object as `cat-file --batch` hands it out.
type object struct {
	hash string
	kind string // commit, tree, blob, tag
	size int64
	data []byte // nil when larger than what was asked for
}

var errMissing = errors.New("no such object")

// objects reads a repository through one `git cat-file --batch` child, started
// when first asked and again when it died. Readers take turns.
type objects struct {
	dir  string
	env  []string
	turn chan *reader // holds the child, or nil before there is one
}

type reader struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	spent bool // it is in the middle of an object that nobody wants
}

// maxSkipped is how much is read of an object that nobody wants, in bytes. More
// costs more than another child: what was pushed may be a thousand times as large
// as its pack.
const maxSkipped = 1 << 20

func newObjects(dir string, env ...string) *objects {
	o := &objects{dir: dir, env: Environment(env...), turn: make(chan *reader, 1)}
	o.turn <- nil
	return o
}

// get reads what name means to git rev-parse. An object larger than limit comes
// without data. It ends with ctx.
func (o *objects) get(ctx context.Context, name string, limit int64) (object, error) {
	if name == "" || strings.ContainsAny(name, "\n\x00") {
		return object{}, fmt.Errorf("%q: %w", name, errMissing)
	}
	var child *reader
	select {
	case child = <-o.turn:
	case <-ctx.Done():
		return object{}, ctx.Err()
	}
	if child == nil {
		var err error
		if child, err = o.start(); err != nil {
			o.turn <- nil
			return object{}, fmt.Errorf("read %s: %w", name, err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = child.cmd.Process.Kill() })
	found, err := child.get(name, limit)
	switch ended := !stop(); {
	case ended:
		err = ctx.Err()
	case err != nil && !errors.Is(err, errMissing):
		err = fmt.Errorf("read %s from %s: %w", name, o.dir, err)
	case !child.spent:
		o.turn <- child
		return found, err
	}
	child.close()
	o.turn <- nil
	return found, err
}

func (o *objects) start() (*reader, error) {
	cmd := exec.Command("git", "--git-dir="+o.dir, "cat-file", "--batch")
	cmd.Env = o.env
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &reader{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 64<<10)}, nil
}

func (o *objects) close() {
	if child := <-o.turn; child != nil {
		child.close()
	}
	o.turn <- nil
}

// close lets the child end by itself: its input has ended and its output is
// read no more.
func (r *reader) close() {
	r.in.Close()
	r.cmd.Process.Kill()
	r.cmd.Wait()
}

func (r *reader) get(name string, limit int64) (object, error) {
	if _, err := io.WriteString(r.in, name+"\n"); err != nil {
		return object{}, err
	}
	line, err := r.out.ReadString('\n')
	if err != nil {
		return object{}, err
	}
	// "<hash> <kind> <size>", or the name and "missing" or "ambiguous".
	fields := strings.Fields(line)
	switch {
	case strings.HasSuffix(line, " ambiguous\n"):
		return object{}, fmt.Errorf("%s is the start of several objects: give more digits: %w", name, errMissing)
	case len(fields) != 3:
		return object{}, fmt.Errorf("%s: %w", name, errMissing)
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return object{}, fmt.Errorf("git cat-file said %q", line)
	}
	found := object{hash: fields[0], kind: fields[1], size: size}
	if size > limit && size > maxSkipped {
		r.spent = true
		return found, nil
	}
	if size > limit {
		_, err = io.CopyN(io.Discard, r.out, size+1)
		return found, err
	}
	found.data = make([]byte, size)
	if _, err := io.ReadFull(r.out, found.data); err != nil {
		return object{}, err
	}
	_, err = r.out.Discard(1)
	return found, err
}
