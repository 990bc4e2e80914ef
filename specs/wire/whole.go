package wire

import (
	"encoding/binary"
	"io"
	"net/http"
)

// prefixBytes stand before each message of a stream: a byte of flags, and how
// long the message is.
const prefixBytes = 5

// whole sends the messages of streams in one piece. Connect writes what stands
// before a message on its own, and HTTP/2 makes of each write a frame: a record of
// TLS, a call of the kernel at each end, and goroutines that are woken there.
type whole struct{ carrier }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.ContentLength < 0 { // a stream
		r = r.WithContext(r.Context()) // a copy
		r.Body = &wholeBody{ReadCloser: r.Body}
	}
	return w.carrier.RoundTrip(r)
}

// wholeBody yields a message together with its prefix. HTTP/2 reads it, always
// with room for a frame.
type wholeBody struct {
	io.ReadCloser
	left int // bytes of the message that has begun
}

func (b *wholeBody) Read(p []byte) (n int, err error) {
	if b.left == 0 {
		if n, err = io.ReadFull(b.ReadCloser, p[:prefixBytes]); err != nil {
			return n, err
		}
		if b.left = int(binary.BigEndian.Uint32(p[1:prefixBytes])); b.left == 0 {
			return n, nil
		}
	}
	m, err := b.ReadCloser.Read(p[n:min(n+b.left, len(p))])
	b.left -= m
	return n + m, err
}
