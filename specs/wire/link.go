package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs/encoding"
)

// Link is one end of a connection of its own, over which both sides send messages
// when they like. Most nodes have nothing to say but that they live: here that
// costs who hears it a read and a write, and as a stream among the calls of HTTP/2
// it would wake three goroutines more.
//
// A frame is a byte, how many bytes follow after the four that say so, and that
// many bytes of CBOR: a message, or why the link ends.
type Link[Out, In any] struct {
	conn    net.Conn
	in      *bufio.Reader
	sending sync.Mutex
}

// The first bytes of frames, and sizes.
const (
	frameMessage byte = iota
	frameEnd

	frameHead = 1 + 4
	// linkBuffer holds a heartbeat with room to spare; there is one for each node.
	linkBuffer = 512
)

// end is why a link ends, in its last frame.
type end struct {
	Kind  Kind   `json:"kind"`
	Words string `json:"words"`
}

// NewLink returns this side's end of a connection. Who opened it closes it.
func NewLink[Out, In any](conn net.Conn) *Link[Out, In] {
	return &Link[Out, In]{conn: conn, in: bufio.NewReaderSize(conn, linkBuffer)}
}

// Send sends a message. It blocks while the other side is slow, and fails if that has
// not taken all of it within SendTimeout; the link is of no use then. It is safe for
// concurrent use.
func (l *Link[Out, In]) Send(message Out) error { return l.send(frameMessage, message) }

func (l *Link[Out, In]) send(kind byte, content any) error {
	body, err := encoding.Marshal(content)
	if err != nil {
		return err
	}
	frame := make([]byte, frameHead, frameHead+len(body))
	frame[0] = kind
	binary.BigEndian.PutUint32(frame[1:], uint32(len(body)))
	frame = append(frame, body...)
	l.sending.Lock()
	defer l.sending.Unlock()
	err = l.conn.SetWriteDeadline(time.Now().Add(SendTimeout))
	if err == nil {
		_, err = l.conn.Write(frame)
	}
	return lost(err)
}

// Receive waits for the next message. It fails with the cause of the end of ctx,
// with the other side's error when that ends the link, and as Unavailable when the
// connection is lost. It is used by one goroutine at a time.
func (l *Link[Out, In]) Receive(ctx context.Context) (message In, err error) {
	defer context.AfterFunc(ctx, func() { _ = l.conn.SetReadDeadline(time.Unix(1, 0)) })() // a closed connection needs none
	kind, body, err := l.frame()
	switch {
	case err != nil && ctx.Err() != nil:
		return message, context.Cause(ctx)
	case err != nil:
		return message, err
	case kind == frameMessage:
		return message, encoding.UnmarshalMessage(body, &message)
	case kind != frameEnd:
		return message, Errorf(InvalidArgument, "a frame of the unknown kind %d", kind)
	}
	var why end
	if err := encoding.UnmarshalMessage(body, &why); err != nil {
		return message, err
	}
	return message, &Error{why.Kind, errors.New(why.Words)}
}

func (l *Link[Out, In]) frame() (kind byte, body []byte, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		return 0, nil, lost(err)
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxMessageBytes {
		return 0, nil, Errorf(Exhausted, "a message of %d bytes: %d at most", size, maxMessageBytes)
	}
	var read bytes.Buffer // which grows with what comes, not with what is announced
	if _, err := io.CopyN(&read, l.in, int64(size)); err != nil {
		return 0, nil, lost(err)
	}
	return head[0], read.Bytes(), nil
}

// lost is what a connection reports, nil if that is nothing.
func lost(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Errorf(Unavailable, "the other side hung up")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Errorf(Unavailable, "the other side did not take a message within %s", SendTimeout)
	}
	return Errorf(Unavailable, "the connection is lost: %w", err)
}

// ServeLinks answers every connection that comes in by l, until ctx ends. Then it
// closes l and returns nil once the last answer has returned. An answer sees the end
// of ctx, and learns the calling node from Peer; its link ends when it returns, with
// its error as the last that the other side hears.
func ServeLinks[Out, In any](ctx context.Context, l net.Listener, answer func(context.Context, *Link[Out, In]) error) error {
	var answers sync.WaitGroup
	defer answers.Wait()
	serving, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(serving, func() { _ = l.Close() })() // it is given up
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		answers.Go(func() {
			defer conn.Close()
			link := NewLink[Out, In](conn)
			link.end(answer(connContext(serving, conn), link))
		})
	}
}

// end tells the other side why there is no more. What that says meanwhile is read:
// the kernel would else reset the connection, and what was told with it.
func (l *Link[Out, In]) end(why error) {
	if why == nil || errors.Is(why, context.Canceled) {
		why = Errorf(Unavailable, "the other side has stopped")
	}
	if l.send(frameEnd, end{KindOf(why), why.Error()}) != nil {
		return // it has gone
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(lastWords)) // it fails for who has gone
	_, _ = io.Copy(io.Discard, l.conn)
}
