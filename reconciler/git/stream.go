package git

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// slowest is how many bytes a second a push has to bring at least, beside its
// stalls: who drips would hold a slot as long as he likes.
const slowest = 16 << 10

// meter reads a push's body, counts it, and gives up on a client that sends
// nothing, or too little. One goroutine reads at a time.
type meter struct {
	in      io.Reader
	control *http.ResponseController
	limit   int64
	count   atomic.Int64
	waited  time.Duration // for the client
	ended   bool
}

func (m *meter) Read(p []byte) (int, error) {
	if m.ended {
		return 0, io.EOF
	}
	began, left := time.Now(), stallLimit+time.Duration(m.count.Load()/slowest)*time.Second-m.waited
	m.control.SetReadDeadline(began.Add(min(left, stallLimit)))
	n, err := m.in.Read(p)
	// While git takes its time the client may too; and without a deadline the server
	// notices by itself when the client goes.
	m.control.SetReadDeadline(time.Time{})
	m.waited += time.Since(began)
	m.count.Add(int64(n))
	m.ended = err != nil
	return n, err
}

func (m *meter) over() bool { return m.count.Load() > m.limit }

// drain reads what is left, because a client listens only when it has sent all.
func (m *meter) drain() { io.Copy(io.Discard, io.LimitReader(m, drainFactor*m.limit)) }

// readOut reads a full-duplex request to its end, without which net/http would
// start to listen for the client's leaving in the middle of its next request. A
// client that sends on and on, or no more, is cut off.
func readOut(body io.Reader, control *http.ResponseController, limit int64) {
	control.SetReadDeadline(time.Now().Add(stallLimit))
	if n, err := io.Copy(io.Discard, io.LimitReader(body, limit)); err != nil || n == limit {
		panic(http.ErrAbortHandler)
	}
	control.SetReadDeadline(time.Time{})
}

// flushing hands on every write at once, so that progress shows while it is, and
// fails for a client that takes nothing for stallLimit.
type flushing struct {
	w       io.Writer
	control *http.ResponseController
}

func (f *flushing) Write(p []byte) (int, error) {
	f.control.SetWriteDeadline(time.Now().Add(stallLimit))
	defer f.control.SetWriteDeadline(time.Time{}) // or HTTP/2 would end a stream that says nothing for long
	n, err := f.w.Write(p)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
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
