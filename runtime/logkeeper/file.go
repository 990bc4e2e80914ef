package logkeeper

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	fileLimit  = 10 << 20 // bytes after which a file is full
	maxFiles   = 3        // kept of one task, with the one that is written
	retryDelay = time.Second
)

// log is the files of one task as the keeper writes them.
type log struct {
	dir string

	mu      sync.Mutex
	file    *os.File // nil before the first write and after close
	number  int      // of file
	size    int64    // of file, whole records only
	open    [streams]bool
	dropped drops
	closed  bool
}

// drops is what could not be written and has not been told of yet.
type drops struct {
	lines, bytes int64
	cause        error
}

func (d drops) notice() string {
	cause := d.cause
	if path := new(os.PathError); errors.As(cause, &path) {
		cause = path.Err
	}
	lines := "lines"
	if d.lines == 1 {
		lines = "line"
	}
	return fmt.Sprintf("swarmgit: dropped %d %s (%d bytes) of this log here: %v\n", d.lines, lines, d.bytes, cause)
}

// write keeps what the stream has written. It never fails: what cannot be
// written is dropped and counted.
func (l *log) write(s stream, text []byte, scratch *[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, open := appendRecords((*scratch)[:0], time.Now(), s, text)
	*scratch = b
	if l.dropped.cause != nil && !l.tell() {
		l.drop(b, l.dropped.cause)
		return
	}
	kept, err := l.append(b)
	if err == nil {
		l.open[s] = open
		return
	}
	if before := bytes.LastIndexByte(b[:max(kept-1, 0)], '\n') + 1; kept > 0 {
		l.open[s] = b[before+tagAt] == part
	}
	l.drop(b[kept:], err)
}

// drop counts the records as lost, and sees to it that this is told.
func (l *log) drop(records []byte, cause error) {
	lines, size := tally(records)
	if l.dropped.cause == nil {
		time.AfterFunc(retryDelay, l.retry)
	}
	l.dropped.lines, l.dropped.bytes, l.dropped.cause = l.dropped.lines+lines, l.dropped.bytes+size, cause
}

// retry tells of what was dropped as soon as there is room, also when the task
// writes nothing more.
func (l *log) retry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && l.dropped.cause != nil && !l.tell() {
		time.AfterFunc(retryDelay, l.retry)
	}
}

// tell writes the notice of what was dropped, and before it the end of lines
// that would otherwise seem to go on after the gap.
func (l *log) tell() bool {
	var b []byte
	now := time.Now()
	for s, open := range l.open {
		if open {
			b, _ = appendRecords(b, now, stream(s), []byte("\n"))
		}
	}
	b, _ = appendRecords(b, now, stderr, []byte(l.dropped.notice()))
	kept, err := l.append(b)
	if err != nil {
		l.size -= int64(kept) // all of it or nothing
		_ = l.file.Truncate(l.size)
		return false
	}
	l.open, l.dropped = [streams]bool{}, drops{}
	return true
}

// append writes whole records, and says how many bytes of them are kept.
func (l *log) append(records []byte) (kept int, err error) {
	if l.file == nil || l.size > 0 && l.size+int64(len(records)) > fileLimit {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(records)
	kept = n
	if err != nil {
		kept = bytes.LastIndexByte(records[:n], '\n') + 1
		err = errors.Join(err, l.file.Truncate(l.size+int64(kept)))
	}
	l.size += int64(kept)
	return kept, err
}

// rotate goes on in a new file and removes the oldest.
func (l *log) rotate() error {
	if l.closed {
		return os.ErrClosed
	}
	if l.file == nil {
		return l.resume()
	}
	numbers, err := fileNumbers(l.dir)
	if err != nil {
		return err
	}
	for len(numbers) >= maxFiles {
		if err := os.Remove(filePath(l.dir, numbers[0])); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		numbers = numbers[1:]
	}
	return l.use(l.number + 1)
}

// resume goes on in the newest file. A record that an earlier keeper could not
// complete is taken away.
func (l *log) resume() error {
	numbers, err := fileNumbers(l.dir)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		return l.use(1)
	}
	return l.use(numbers[len(numbers)-1])
}

func (l *log) use(number int) error {
	file, err := os.OpenFile(filePath(l.dir, number), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, err := wholeRecords(file)
	if err == nil {
		err = file.Truncate(size)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	if l.file != nil {
		_ = l.file.Close() // nothing is buffered: what was written is written
	}
	l.file, l.number, l.size = file, number, size
	return nil
}

// close ends the log; what is written later is dropped.
func (l *log) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped.cause != nil && !l.closed {
		l.tell()
	}
	l.closed = true
	if l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// wholeRecords returns the size of the file up to the end of its last whole
// record.
func wholeRecords(file *os.File) (int64, error) {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	for block := make([]byte, 2*recordText); end > 0; end -= int64(len(block)) {
		block = block[:min(end, int64(len(block)))]
		if _, err := file.ReadAt(block, end-int64(len(block))); err != nil {
			return 0, err
		}
		if at := bytes.LastIndexByte(block, '\n'); at >= 0 {
			return end - int64(len(block)) + int64(at+1), nil
		}
	}
	return 0, nil
}

func filePath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%06d.log", number))
}

// fileNumbers returns the numbers of the log files, the oldest first.
func fileNumbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		digits, isLog := strings.CutSuffix(e.Name(), ".log")
		if number, err := strconv.Atoi(digits); isLog && err == nil {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
