// Package pktline reads and writes Git's pkt-lines, for both ends of Git's
// protocol: four hex digits that count themselves, then the payload; "0000" is a
// flush, the end of a list. It knows nothing of what the lines mean.
package pktline

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	// Flush ends a list of lines.
	Flush = "0000"
	// MaxPayload is how many bytes one side-band-64k packet carries, after its
	// band.
	MaxPayload = 65520 - 4 - 1
)

// Line is the payload as a pkt-line.
func Line(payload string) string { return fmt.Sprintf("%04x%s", len(payload)+4, payload) }

// Read reads one pkt-line without the newline at its end; more is false at a
// flush.
func Read(in *bufio.Reader) (payload string, more bool, err error) {
	data, more, err := ReadBytes(in)
	return strings.TrimSuffix(string(data), "\n"), more, err
}

// ReadBytes reads one pkt-line as it is; more is false at a flush. The caller
// owns the bytes.
func ReadBytes(in *bufio.Reader) (payload []byte, more bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, false, err
	}
	length, err := strconv.ParseUint(string(head[:]), 16, 16)
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("not a pkt-line: %q", head)
	case length == 0:
		return nil, false, nil
	case length < 4:
		return nil, false, errors.New("a delimiter where a pkt-line should be")
	}
	data := make([]byte, length-4)
	if _, err := io.ReadFull(in, data); err != nil {
		return nil, false, io.ErrUnexpectedEOF
	}
	return data, true, nil
}
