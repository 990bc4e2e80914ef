package git

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
)

// maxRequest bounds the commands and shallow lines of one push, in bytes, and so its
// options.
const maxRequest = 1 << 20

const zeroHash = "0000000000000000000000000000000000000000"

// command is one ref that the client asks to move; empty hashes mean none.
type command struct{ ref, old, new string }

// request is what comes before the pack.
type request struct {
	commands     []command
	shallow      []string // the client's commits without parents
	capabilities []string
	options      []string
}

// capabilities is what the server offers. It must not offer what request does
// not read.
const capabilities = "report-status delete-refs side-band-64k quiet ofs-delta push-options object-format=sha1 agent=swarmgit"

func (q *request) can(capability string) bool {
	for _, c := range q.capabilities {
		if c == capability {
			return true
		}
	}
	return false
}

// packed reports that a pack follows the request.
func (q *request) packed() bool {
	for _, c := range q.commands {
		if c.new != "" {
			return true
		}
	}
	return false
}

// readRequest reads up to the pack. A request without commands is a client
// trying its credentials.
func readRequest(in *bufio.Reader) (*request, error) {
	q := &request{}
	err := eachPkt(in, func(line string) error { return q.command(line) })
	if err == nil && q.can("push-options") {
		err = eachPkt(in, func(line string) error {
			q.options = append(q.options, line)
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read the push's commands: %w", err)
	}
	return q, nil
}

func eachPkt(in *bufio.Reader, take func(string) error) error {
	for left := maxRequest; left > 0; {
		line, more, err := pktline.Read(in)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil || !more {
			return err
		}
		if err := take(line); err != nil {
			return err
		}
		left -= len(pktline.Flush) + len(line)
	}
	return fmt.Errorf("more than %d bytes", maxRequest)
}

// command takes "<old> <new> <ref>", the first with "\x00<capabilities>", or
// "shallow <commit>".
func (q *request) command(line string) error {
	if hash, ok := strings.CutPrefix(line, "shallow "); ok {
		if !isHash(hash) {
			return fmt.Errorf("no commit: %q", hash)
		}
		q.shallow = append(q.shallow, hash)
		return nil
	}
	line, capabilities, first := strings.Cut(line, "\x00")
	if first {
		q.capabilities = strings.Fields(capabilities)
	}
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
	if len(fields) != 3 || !isHash(fields[0]) || !isHash(fields[1]) {
		return fmt.Errorf("no command of a push: %q", line)
	}
	q.commands = append(q.commands, command{ref: fields[2], old: noZero(fields[0]), new: noZero(fields[1])})
	return nil
}

// head is the request as receive-pack is to see it: it reports bare, and knows
// of no options.
func (q *request) head() string {
	var b strings.Builder
	for _, hash := range q.shallow {
		b.WriteString(pktline.Line("shallow " + hash))
	}
	for i, c := range q.commands {
		line := orZero(c.old) + " " + orZero(c.new) + " " + c.ref
		if i == 0 {
			line += "\x00report-status quiet object-format=sha1"
		}
		b.WriteString(pktline.Line(line))
	}
	b.WriteString(pktline.Flush)
	return b.String()
}

func isHash(s string) bool {
	return len(s) == len(zeroHash) && strings.Trim(s, "0123456789abcdef") == ""
}

func noZero(hash string) string {
	if hash == zeroHash {
		return ""
	}
	return hash
}

func orZero(hash string) string {
	if hash == "" {
		return zeroHash
	}
	return hash
}
