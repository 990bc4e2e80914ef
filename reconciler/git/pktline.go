package git

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Git's pkt-lines: four hex digits that count themselves, then the payload;
// "0000" is a flush, the end of a list.
const (
	flush      = "0000"
	maxPayload = 65520 - 4 - 1 // of one side-band-64k packet, after its band
)

func pkt(payload string) string { return fmt.Sprintf("%04x%s", len(payload)+4, payload) }

// readPkt reads one pkt-line; more is false at a flush.
func readPkt(in *bufio.Reader) (payload string, more bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", false, err
	}
	length, err := strconv.ParseUint(string(head[:]), 16, 16)
	switch {
	case err != nil:
		return "", false, fmt.Errorf("not a pkt-line: %q", head)
	case length == 0:
		return "", false, nil
	case length < 4:
		return "", false, errors.New("a delimiter where a pkt-line should be")
	}
	data := make([]byte, length-4)
	if _, err := io.ReadFull(in, data); err != nil {
		return "", false, io.ErrUnexpectedEOF
	}
	return strings.TrimSuffix(string(data), "\n"), true, nil
}
