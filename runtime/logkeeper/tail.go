package logkeeper

import (
	"bufio"
	"bytes"
	"io"
	"os"
)

// tailWindow is how much of the end of a file is tried first.
const tailWindow = 256 << 10

// seekTail goes to where the last lines of the files begin. Where the two
// streams cut each other's lines, the first line may lack its beginning.
func (f *files) seekTail(numbers []int, tail int) error {
	newest := len(numbers) - 1
	for i := newest; ; i-- {
		number, continued := numbers[i], false
		if i > 0 {
			var err error
			if continued, err = endsOpen(filePath(f.dir, numbers[i-1])); err != nil {
				return err
			}
		}
		starts, size, err := lastLines(filePath(f.dir, number), tail, continued)
		switch {
		case err != nil:
			return err
		case tail == 0:
			return f.use(number, size)
		case len(starts) >= tail:
			return f.use(number, starts[len(starts)-tail])
		case i == 0:
			return f.use(number, 0)
		}
		tail -= len(starts)
	}
}

// lastLines returns where lines begin in the file, rising: at least the last so
// many, or all. size is where the file ended.
func lastLines(path string, want int, continued bool) (starts []int64, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	size = info.Size()
	if size > tailWindow {
		starts, err = lineStarts(file, size-tailWindow, size, false)
		if err != nil || len(starts) >= want {
			return starts, size, err
		}
	}
	starts, err = lineStarts(file, 0, size, !continued)
	return starts, size, err
}

// lineStarts returns where lines begin between two offsets. opens reports that
// one begins at the first of them. What is damaged is passed over, as a reader does.
func lineStarts(file io.ReaderAt, from, to int64, opens bool) (starts []int64, err error) {
	buf := bufio.NewReaderSize(io.NewSectionReader(file, from, to-from), 4*recordText)
	amid := from > 0 // of a record, so that nothing can be said of the first
	for at := from; ; {
		head, size, err := recordHead(buf)
		if err == io.EOF {
			return starts, nil
		}
		if err != nil {
			return nil, err
		}
		if rec, err := parseRecord(head); err == nil && !amid {
			if opens {
				starts = append(starts, at)
			}
			opens = rec.last
		}
		at += size
		amid = false
	}
}

// recordHead reads to the next newline, and returns at least what a record has
// before its text, and how much it has read. Only what is damaged does not fit buf.
func recordHead(buf *bufio.Reader) (head []byte, size int64, err error) {
	head, err = buf.ReadSlice('\n')
	size = int64(len(head))
	if err == nil {
		return head[:len(head)-1], size, nil
	}
	head = bytes.Clone(head[:min(len(head), textAt)])
	for more := []byte(nil); err == bufio.ErrBufferFull; size += int64(len(more)) {
		more, err = buf.ReadSlice('\n')
	}
	return head, size, err
}

// endsOpen reports whether the file's last record is a part of a line.
func endsOpen(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	end, err := wholeRecords(file)
	if err != nil || end == 0 {
		return false, err
	}
	block := make([]byte, min(end, 2*recordText))
	if _, err := file.ReadAt(block, end-int64(len(block))); err != nil {
		return false, err
	}
	rec, err := parseRecord(block[bytes.LastIndexByte(block[:len(block)-1], '\n')+1 : len(block)-1])
	return err == nil && !rec.last, nil
}
