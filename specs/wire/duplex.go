package wire

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"

	"connectrpc.com/connect"
)

// Duplex is the name of a procedure in which both sides send when they like.
type Duplex[Req, Res any] string

// Ends are one side's ends of a duplex. Send is used by one goroutine at a time,
// and so is Receive, which returns io.EOF once the other side sends no more.
type Ends[Out, In any] struct {
	Send    func(Out) error
	Receive func() (In, error)
}

// Serve answers the procedure on mux. It ends when answer returns, after a Send
// that is under way then; later ones fail.
func (p Duplex[Req, Res]) Serve(mux *http.ServeMux, answer func(context.Context, Ends[Res, Req]) error) {
	mux.Handle(string(p), impatient(connect.NewBidiStreamHandler(string(p),
		func(ctx context.Context, stream *connect.BidiStream[Req, Res]) error {
			var mu sync.Mutex
			over := false
			err := answer(ctx, Ends[Res, Req]{
				Send: func(res Res) error {
					mu.Lock()
					defer mu.Unlock()
					if over {
						return io.ErrClosedPipe
					}
					return stream.Send(&res)
				},
				Receive: func() (Req, error) { return received1(stream.Receive()) },
			})
			mu.Lock()
			defer mu.Unlock()
			over = true
			return toWire(ctx, err)
		}, handlerOptions()...)))
}

// Call opens the procedure, which ends when talk returns. Its error is that of
// talk.
func (p Duplex[Req, Res]) Call(ctx context.Context, c *Client, talk func(Ends[Req, Res]) error) error {
	ctx, cancel := context.WithCancel(ctx)
	stream := dial[Req, Res](c, string(p)).CallBidiStream(ctx)
	// While a request may still come, the end of ctx alone ends nothing.
	context.AfterFunc(ctx, func() { _ = stream.CloseRequest() })
	defer func() {
		cancel()
		_ = stream.CloseResponse()
	}()
	return talk(Ends[Req, Res]{
		Send: func(req Req) error {
			if err := stream.Send(&req); err != nil && !errors.Is(err, io.EOF) { // of an end, Receive knows why
				return fromWire(err)
			}
			return nil
		},
		Receive: func() (Res, error) { return received1(stream.Receive()) },
	})
}

func received1[M any](message *M, err error) (M, error) {
	switch {
	case errors.Is(err, io.EOF):
		return *new(M), io.EOF
	case err != nil:
		return *new(M), fromWire(err)
	}
	return *message, nil
}
