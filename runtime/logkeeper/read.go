package logkeeper

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// LineLimit is the longest line that is read as one. A longer one comes in
	// pieces of this size.
	LineLimit = 1 << 20

	batchLines = 512
	batchBytes = 256 << 10
	// followPause is how often a follower looks for more. Watches of the kernel
	// would be faster, but a user has only 128 of them.
	followPause = 100 * time.Millisecond
)

// ReadOptions says which lines are wanted.
type ReadOptions struct {
	Follow bool      // go on until the task is finished
	Tail   int       // only so many of the last lines there are now; negative is all
	Since  time.Time // only what was written then or later; zero is all
}

// Read reads the log of a task from the client's directory; see [Read].
func (c *Client) Read(ctx context.Context, taskID string, opt ReadOptions, yield func([]wire.LogLine) error) error {
	return Read(ctx, c.Dir, taskID, opt, yield)
}

// Read yields the lines of a task in the order in which they were read from it,
// some at a time. What is yielded belongs to the receiver. It needs no keeper.
//
// Without Follow it ends at the end of what is there; a task that never wrote
// has no lines. With Follow it waits for a task that has no log yet, goes on
// across rotation, and ends when the task is finished or its log is removed. If
// the task writes so fast that files are removed before they are read, their
// lines are missing. Read ends early with the error of yield or of ctx.
func Read(ctx context.Context, dir, taskID string, opt ReadOptions, yield func([]wire.LogLine) error) error {
	if err := checkID(taskID); err != nil {
		return err
	}
	r := &reading{
		files: files{dir: filepath.Join(dir, taskID)},
		lines: lines{taskID: taskID, since: opt.Since}, yield: yield, left: -1,
	}
	if !opt.Follow {
		r.left = opt.Tail
	}
	defer r.files.close()
	if err := r.files.seek(opt.Tail, opt.Since); err != nil {
		return err
	}
	if !opt.Follow {
		return r.toEnd(ctx, true)
	}
	return r.follow(ctx)
}

// reading is one call of Read.
type reading struct {
	files files
	lines lines
	yield func([]wire.LogLine) error
	left  int // lines that are still wanted, for those that come while it reads; negative is all
}

func (r *reading) follow(ctx context.Context) error {
	for started := r.exists(); ; {
		// Looked at before reading: what was written before it is read too.
		finished := started && !unfinished(r.files.dir)
		if err := r.toEnd(ctx, finished); err != nil || finished {
			return err
		}
		if err := bell.Sleep(ctx, followPause); err != nil {
			return err
		}
		started = started || r.exists()
	}
}

// exists reports that the task was opened once: FIFOs come before files.
func (r *reading) exists() bool {
	numbers, err := fileNumbers(r.files.dir)
	return unfinished(r.files.dir) || err == nil && len(numbers) > 0
}

// toEnd yields everything that is there now, with a line that has no end yet
// only if none will come.
func (r *reading) toEnd(ctx context.Context, final bool) error {
	for ctx.Err() == nil {
		line, err := r.files.next()
		switch {
		case errors.Is(err, errEnd):
			if final {
				r.lines.flush()
			}
			return r.give()
		case err != nil:
			return err
		}
		if rec, err := parseRecord(line); err == nil {
			r.lines.add(rec)
		}
		if r.lines.full() {
			if err := r.give(); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (r *reading) give() error {
	batch := r.lines.take()
	if r.left >= 0 {
		batch = batch[:min(len(batch), r.left)]
		r.left -= len(batch)
	}
	if len(batch) == 0 {
		return nil
	}
	return r.yield(batch)
}

// lines joins records to lines and gathers them.
type lines struct {
	taskID  string
	since   time.Time
	partial [streams]wire.LogLine // of the streams whose last record was a part
	batch   []wire.LogLine
	bytes   int
}

func (l *lines) add(r record) {
	l.extend(r, r.text[:0])
	for text := r.text; len(text) > 0; {
		line := l.partial[r.stream]
		room := LineLimit - len(line.Text)
		if room == 0 {
			l.end(r.stream)
			room = LineLimit
		}
		piece := text[:min(len(text), room)]
		l.extend(r, piece)
		text = text[len(piece):]
	}
	if r.last {
		l.end(r.stream)
	}
}

// extend appends to the stream's line, which begins with the record if there is
// none.
func (l *lines) extend(r record, text []byte) {
	line := &l.partial[r.stream]
	if line.At.IsZero() {
		*line = wire.LogLine{TaskID: l.taskID, At: r.at, Stderr: r.stream == stderr}
	}
	line.Text = append(line.Text, text...)
}

// end moves the stream's line to the batch.
func (l *lines) end(s stream) {
	line := l.partial[s]
	l.partial[s] = wire.LogLine{}
	if !line.At.Before(l.since) {
		l.batch = append(l.batch, line)
		l.bytes += len(line.Text)
	}
}

func (l *lines) flush() {
	for s, line := range l.partial {
		if !line.At.IsZero() {
			l.end(stream(s))
		}
	}
}

func (l *lines) full() bool { return len(l.batch) >= batchLines || l.bytes >= batchBytes }

func (l *lines) take() []wire.LogLine {
	batch := l.batch
	l.batch, l.bytes = nil, 0
	return batch
}
