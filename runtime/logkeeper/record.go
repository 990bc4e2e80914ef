package logkeeper

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// stream is one of a task's outputs.
type stream int

const (
	stdout stream = iota
	stderr
	streams
)

func (s stream) String() string { return [streams]string{"stdout", "stderr"}[s] }

// A record is "2026-01-02T03:04:05.000000000Z stdout F text\n". Everything
// before the text has a fixed length.
const (
	stampLayout = "2006-01-02T15:04:05.000000000Z"
	tagAt       = len(stampLayout) + len(" stdout ")
	textAt      = tagAt + len("F ")

	part = 'P' // the line goes on in the stream's next record
	last = 'F'
)

// recordText bounds the text of one record, so that a reader needs little
// memory; longer lines are several records.
const recordText = 16 << 10

// appendRecords appends what a stream has written as records to b. open reports
// that the last line has no end yet.
func appendRecords(b []byte, at time.Time, s stream, text []byte) (_ []byte, open bool) {
	var head [textAt]byte
	at.UTC().AppendFormat(head[:0], stampLayout)
	copy(head[len(stampLayout):], " "+s.String()+" F ")
	for len(text) > 0 {
		line, tag, skip := text, byte(part), 0
		if end := bytes.IndexByte(text[:min(len(text), recordText+1)], '\n'); end >= 0 {
			line, tag, skip = text[:end], last, 1
		} else if len(text) > recordText {
			line = text[:recordText]
		}
		head[tagAt] = tag
		b = append(b, head[:]...)
		b = append(b, line...)
		b = append(b, '\n')
		text, open = text[len(line)+skip:], tag == part
	}
	return b, open
}

// record is one record as it was read. Its text is valid until the next read.
type record struct {
	at     time.Time
	stream stream
	last   bool
	text   []byte
}

var errNoRecord = errors.New("not a log record")

// parseRecord reads a record without its newline.
func parseRecord(line []byte) (r record, err error) {
	if len(line) < textAt || line[tagAt] != part && line[tagAt] != last {
		return r, errNoRecord
	}
	if r.at, err = time.Parse(stampLayout, string(line[:len(stampLayout)])); err != nil {
		return r, fmt.Errorf("%w: %w", errNoRecord, err)
	}
	if string(line[len(stampLayout)+1:tagAt-1]) == stderr.String() {
		r.stream = stderr
	}
	r.last, r.text = line[tagAt] == last, line[textAt:]
	return r, nil
}

// tally counts what records hold: lines by their ends, and bytes of text.
func tally(records []byte) (lines, textBytes int64) {
	for len(records) >= textAt {
		end := bytes.IndexByte(records, '\n')
		textBytes += int64(end - textAt)
		if records[tagAt] == last {
			lines++
			textBytes++ // its newline
		}
		records = records[end+1:]
	}
	return lines, textBytes
}
