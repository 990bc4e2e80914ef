package git

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// meter reads a push's body, counts it, and gives up on a client that sends
// nothing. One goroutine reads at a time.
type meter struct {
	in      io.Reader
	control *http.ResponseController
	limit   int64
	count   atomic.Int64
	ended   bool
}

func (m *meter) Read(p []byte) (int, error) {
	if m.ended {
		return 0, io.EOF
	}
	m.control.SetReadDeadline(time.Now().Add(stallLimit))
	n, err := m.in.Read(p)
	m.count.Add(int64(n))
	if err != nil {
		// Without a deadline the server notices by itself when the client goes.
		m.ended = true
		m.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (m *meter) over() bool { return m.count.Load() > m.limit }

// drain reads what is left, because a client listens only when it has sent all.
func (m *meter) drain() { io.Copy(io.Discard, io.LimitReader(m, drainFactor*m.limit)) }

// readOut reads a full-duplex request to its end, without which net/http would
// start to listen for the client's leaving in the middle of its next request. A
// client that sends on and on is cut off.
func readOut(body io.Reader, control *http.ResponseController, limit int64) {
	control.SetReadDeadline(time.Now().Add(stallLimit))
	defer control.SetReadDeadline(time.Time{})
	if n, err := io.Copy(io.Discard, io.LimitReader(body, limit)); err == nil && n == limit {
		panic(http.ErrAbortHandler)
	}
}

// head keeps the first bytes that are written to it.
type head struct {
	bytes.Buffer
	limit int
}

func (h *head) Write(p []byte) (int, error) {
	h.Buffer.Write(p[:min(len(p), max(0, h.limit-h.Len()))])
	return len(p), nil
}
