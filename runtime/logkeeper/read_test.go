package logkeeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// written is a log that was written without a keeper.
type written struct {
	*log
	scratch []byte
}

func newWritten(t testing.TB, root, id string) *written {
	t.Helper()
	dir := filepath.Join(root, id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &written{log: &log{dir: dir}}
}

func (w *written) say(s stream, text string) { w.write(s, []byte(text), &w.scratch) }

func numbered(from, to int) []string {
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("o:%07d", i))
	}
	return lines
}

func TestRotationKeepsTheNewestFiles(t *testing.T) {
	c := clientOf(t, t.TempDir())
	w := newWritten(t, c.Dir, "t1")
	const lines = 1_200_000 // more than 4 files
	for i := 0; i < lines; i += 1000 {
		var b strings.Builder
		for j := i; j < i+1000; j++ {
			fmt.Fprintf(&b, "%07d\n", j)
		}
		w.say(stdout, b.String())
	}
	numbers, err := fileNumbers(w.dir)
	if err != nil || len(numbers) != maxFiles {
		t.Fatalf("files %v, %v", numbers, err)
	}
	for _, number := range numbers {
		info, err := os.Stat(filePath(w.dir, number))
		if err != nil || info.Size() > fileLimit {
			t.Errorf("file %d: %v bytes, %v", number, info.Size(), err)
		}
	}
	got := texts(t, c, "t1", ReadOptions{Tail: -1})
	same(t, got, numbered(lines-len(got), lines)...)
	if least := 2 * fileLimit / (textAt + 8); len(got) < least {
		t.Errorf("only %d lines are kept, want at least %d", len(got), least)
	}
	for _, tail := range []int{0, 1, 10, 300_000, len(got), 2 * len(got)} {
		same(t, texts(t, c, "t1", ReadOptions{Tail: tail}), got[max(0, len(got)-tail):]...)
	}
}

// Whatever a damaged disk has put into a file, what can be read of it is read, from
// any line on, and what is written after it too.
func TestDamagedFile(t *testing.T) {
	for _, size := range []int{1, textAt + 10, 4*recordText - 1, 4 * recordText, 9*recordText + 1, 30 * recordText} {
		for _, end := range []string{"", "\n"} {
			c := clientOf(t, t.TempDir())
			w := newWritten(t, c.Dir, "t1")
			w.say(stdout, "0000000\n0000001\n")
			w.close()
			file, err := os.OpenFile(filePath(w.dir, 1), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteString(strings.Repeat("\x00", size) + end); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			for _, more := range []int{2, 4} {
				for tail := -1; tail <= more+1; tail++ {
					got := texts(t, c, "t1", ReadOptions{Tail: tail})
					if want := numbered(max(0, more-tail), more); tail >= 0 && !slices.Equal(got, want) || tail < 0 && !slices.Equal(got, numbered(0, more)) {
						t.Errorf("%d bytes%q, the last %d of %d lines: %q", size, end, tail, more, got)
					}
				}
				(&written{log: &log{dir: w.dir}}).say(stdout, "0000002\n0000003\n")
			}
		}
	}
}

// TestTailOfATaskThatWrites has lines come while the last ones are read.
func TestTailOfATaskThatWrites(t *testing.T) {
	dir := t.TempDir()
	w := newWritten(t, dir, "t1")
	const tail = batchLines + 10
	w.say(stdout, strings.Repeat("before\n", 2*tail))
	got := 0
	err := Read(t.Context(), dir, "t1", ReadOptions{Tail: tail}, func(lines []wire.LogLine) error {
		got += len(lines)
		w.say(stdout, "meanwhile\n")
		return nil
	})
	if err != nil || got != tail {
		t.Errorf("%d lines, %v, want %d", got, err, tail)
	}
}

func TestSince(t *testing.T) {
	c := clientOf(t, t.TempDir())
	w := newWritten(t, c.Dir, "t1")
	w.say(stdout, "old\n")
	time.Sleep(2 * time.Millisecond)
	now := time.Now()
	w.say(stdout, "new\nnewer\n")
	same(t, texts(t, c, "t1", ReadOptions{Tail: -1, Since: now}), "o:new", "o:newer")
	same(t, texts(t, c, "t1", ReadOptions{Tail: 1, Since: now}), "o:newer")
	same(t, texts(t, c, "t1", ReadOptions{Tail: 10, Since: now.Add(time.Hour)}))
}

// follower reads in the background.
type follower struct {
	lines  chan string
	done   chan error
	cancel context.CancelFunc
}

func follow(t testing.TB, c *Client, id string, tail int) *follower {
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{lines: make(chan string, 2_000_000), done: make(chan error, 1), cancel: cancel}
	t.Cleanup(cancel)
	go func() {
		f.done <- c.Read(ctx, id, ReadOptions{Follow: true, Tail: tail}, func(batch []wire.LogLine) error {
			for _, line := range batch {
				f.lines <- text(line)
			}
			return nil
		})
	}()
	return f
}

func (f *follower) next(t testing.TB) string {
	t.Helper()
	select {
	case line := <-f.lines:
		return line
	case err := <-f.done:
		t.Fatalf("the follower ended: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("no line in a minute")
	}
	return ""
}

func (f *follower) rest() []string {
	close(f.lines)
	var lines []string
	for line := range f.lines {
		lines = append(lines, line)
	}
	return lines
}

func TestFollowUntilFinished(t *testing.T) {
	c := client(t)
	early := follow(t, c, "t1", -1) // before there is a task
	k := open(t, c, "t1")
	k.say(k.out, "one\ntwo\n")
	same(t, []string{early.next(t), early.next(t)}, "o:one", "o:two")
	late := follow(t, c, "t1", 1)
	same(t, []string{late.next(t)}, "o:two")
	kill9(t, c)
	if err := c.Finish(t.Context(), "other"); err != nil { // starts another keeper
		t.Fatal(err)
	}
	k.say(k.err, "three\n")
	same(t, []string{early.next(t), late.next(t)}, "e:three", "e:three")
	k.say(k.out, "four has no end")
	k.finish()
	for _, f := range []*follower{early, late} {
		if err := <-f.done; err != nil {
			t.Error(err)
		}
		same(t, f.rest(), "o:four has no end")
	}
}

func TestFollowAcrossRotation(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	f := follow(t, c, "t1", -1)
	const lines = 400_000 // more than one file
	for i := 0; i < lines; i += 10_000 {
		var b strings.Builder
		for j := i; j < i+10_000; j++ {
			fmt.Fprintf(&b, "%07d\n", j)
		}
		k.say(k.out, b.String())
	}
	k.finish()
	if err := <-f.done; err != nil {
		t.Fatal(err)
	}
	same(t, f.rest(), numbered(0, lines)...)
}

func TestFollowEndsWithItsContextAndItsReceiver(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	f := follow(t, c, "t1", -1)
	k.say(k.out, "one\n")
	f.next(t)
	f.cancel()
	if err := <-f.done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	enough := errors.New("enough")
	err := c.Read(t.Context(), "t1", ReadOptions{Follow: true, Tail: -1}, func([]wire.LogLine) error { return enough })
	if err != enough {
		t.Errorf("got %v", err)
	}
}

func TestFollowEndsWhenTheLogIsRemoved(t *testing.T) {
	c := client(t)
	k := open(t, c, "t1")
	f := follow(t, c, "t1", -1)
	k.say(k.out, "one\n")
	f.next(t)
	k.finish()
	if err := c.Remove(t.Context(), "t1"); err != nil {
		t.Fatal(err)
	}
	if err := <-f.done; err != nil {
		t.Error(err)
	}
}

var someLines = rapid.OneOf(
	rapid.StringMatching(`[^\n]{0,20}`),
	rapid.Map(rapid.IntRange(-3, 3), func(n int) string { return strings.Repeat("x", recordText+n) }),
)

// However a stream is cut into reads, its lines come out as they went in.
func TestLinesSurviveAnyCut(t *testing.T) {
	root := t.TempDir()
	tasks := 0
	rapid.Check(t, func(t *rapid.T) {
		tasks++
		id := fmt.Sprint("t", tasks)
		dir := filepath.Join(root, id)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		w := &written{log: &log{dir: dir}}
		var want [streams][]string
		var rest [streams]string
		for s := range streams {
			lines := rapid.SliceOf(someLines).Draw(t, s.String())
			for _, line := range lines {
				want[s] = append(want[s], "oe"[s:s+1]+":"+line)
				rest[s] += line + "\n"
			}
		}
		for rest != [streams]string{} {
			s := rapid.SampledFrom([]stream{stdout, stderr}).Draw(t, "stream")
			n := min(len(rest[s]), rapid.IntRange(0, 20_000).Draw(t, "bytes"))
			w.say(s, rest[s][:n])
			rest[s] = rest[s][n:]
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				w.close()
				w.log = &log{dir: dir}
			}
		}
		var got [streams][]string
		err := Read(context.Background(), root, id, ReadOptions{Tail: -1}, func(lines []wire.LogLine) error {
			for _, line := range lines {
				s := stream(0)
				if line.Stderr {
					s = stderr
				}
				got[s] = append(got[s], text(line))
			}
			return nil
		})
		if err != nil || !slices.Equal(got[stdout], want[stdout]) || !slices.Equal(got[stderr], want[stderr]) {
			t.Fatalf("got %.200q, want %.200q, %v", got, want, err)
		}
	})
}

func TestRecordsAreTheFormatOfCollectors(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))
	b, open := appendRecords(nil, at, stderr, []byte("one\n"+strings.Repeat("x", recordText+1)+"\ntwo"))
	want := "2026-01-02T02:04:05.000006000Z stderr F one\n" +
		"2026-01-02T02:04:05.000006000Z stderr P " + strings.Repeat("x", recordText) + "\n" +
		"2026-01-02T02:04:05.000006000Z stderr F x\n" +
		"2026-01-02T02:04:05.000006000Z stderr P two\n"
	if string(b) != want || !open {
		t.Errorf("got %q, %v", b, open)
	}
}

func TestTornRecordIsTakenAway(t *testing.T) {
	c := clientOf(t, t.TempDir())
	w := newWritten(t, c.Dir, "t1")
	w.say(stdout, "one\n")
	w.close()
	path := filePath(w.dir, 1)
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(b, "2026-01-02T02:04:05.0000"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	same(t, texts(t, c, "t1", ReadOptions{Tail: 1}), "o:one")
	w.log = &log{dir: w.dir}
	w.say(stdout, "two\n")
	same(t, texts(t, c, "t1", ReadOptions{Tail: -1}), "o:one", "o:two")
}
