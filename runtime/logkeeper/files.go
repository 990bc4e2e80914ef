package logkeeper

import (
	"bufio"
	"errors"
	"io"
	"os"
	"time"
)

// errEnd says that there are no more records now.
var errEnd = errors.New("end of log")

// files reads the records of a task's files one after the other, also while the
// keeper writes and rotates them.
type files struct {
	dir    string
	number int      // of file, or of the one before the first
	file   *os.File // nil until there is one
	buf    *bufio.Reader
	torn   []byte // the beginning of a record that is being written
	newer  bool   // there was a newer file, so this one will not grow
}

// next returns the next record's line, which is valid until the next call.
func (f *files) next() ([]byte, error) {
	for {
		if f.file == nil {
			if err := f.advance(); err != nil {
				return nil, err
			}
		}
		line, err := f.buf.ReadSlice('\n')
		switch {
		case err == nil && len(f.torn) == 0:
			return line[:len(line)-1], nil
		case err == nil:
			whole := append(f.torn, line[:len(line)-1]...)
			f.torn = nil
			return whole, nil
		case !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
		f.torn = append(f.torn, line...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err := f.atEnd(); err != nil {
			return nil, err
		}
	}
}

// atEnd goes on in the next file, but first once more in this one: the keeper
// may have written to it before it made the next.
func (f *files) atEnd() error {
	if f.newer {
		return f.advance()
	}
	numbers, err := numbersFrom(f.dir, f.number+1)
	if err != nil {
		return err
	}
	if f.newer = len(numbers) > 0; f.newer {
		return nil
	}
	return errEnd
}

// advance opens the oldest file that comes after the one that was read.
func (f *files) advance() error {
	for {
		numbers, err := numbersFrom(f.dir, f.number+1)
		if err != nil {
			return err
		}
		if len(numbers) == 0 {
			return errEnd
		}
		err = f.use(numbers[0], 0)
		if !errors.Is(err, os.ErrNotExist) { // removed meanwhile: look again
			return err
		}
	}
}

func (f *files) use(number int, offset int64) error {
	file, err := os.Open(filePath(f.dir, number))
	if err != nil {
		return err
	}
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return errors.Join(err, file.Close())
	}
	f.close()
	f.number, f.file, f.newer, f.torn = number, file, false, nil
	f.buf = bufio.NewReaderSize(file, 2*recordText)
	return nil
}

func (f *files) close() {
	if f.file != nil {
		_ = f.file.Close() // only read from
	}
}

// seek goes to where the last lines begin; a negative tail means to the begin.
// Files that end before since are skipped.
func (f *files) seek(tail int, since time.Time) error {
	numbers, err := numbersFrom(f.dir, 1)
	if err != nil {
		return err
	}
	for len(numbers) > 1 && endsBefore(filePath(f.dir, numbers[0]), since) {
		f.number, numbers = numbers[0], numbers[1:]
	}
	if tail < 0 || len(numbers) == 0 {
		return nil
	}
	err = f.seekTail(numbers, tail)
	if errors.Is(err, os.ErrNotExist) {
		return nil // rotation has overtaken us: what is left is read whole
	}
	return err
}

// numbersFrom returns the numbers of the files from one on. A directory that
// does not exist has none.
func numbersFrom(dir string, first int) ([]int, error) {
	numbers, err := fileNumbers(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for len(numbers) > 0 && numbers[0] < first {
		numbers = numbers[1:]
	}
	return numbers, nil
}

func endsBefore(path string, t time.Time) bool {
	info, err := os.Stat(path)
	return err == nil && info.ModTime().Before(t)
}
