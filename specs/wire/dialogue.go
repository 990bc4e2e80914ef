package wire

import (
	"context"
	"errors"
	"io"
	"net/http"

	"connectrpc.com/connect"
)

// Dialogue is the name of a procedure with many requests, each with one reply,
// in one stream: less than half the work of as many calls of a Unary.
type Dialogue[Req, Res any] string

// Serve answers the procedure on mux, one request of a dialogue after the other.
// An error ends the dialogue.
func (p Dialogue[Req, Res]) Serve(mux *http.ServeMux, answer func(context.Context, Req) (Res, error)) {
	mux.Handle(string(p), impatient(connect.NewBidiStreamHandler(string(p),
		func(ctx context.Context, stream *connect.BidiStream[Req, Res]) error {
			for {
				req, err := stream.Receive()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				res, err := answer(ctx, *req)
				if err != nil {
					return toWire(ctx, err)
				}
				if err := stream.Send(&res); err != nil {
					return err
				}
			}
		}, handlerOptions()...)))
}

// Call holds a dialogue, which ends when talk returns. ask sends a request and
// waits for its reply; it is used by one goroutine at a time. The error is that
// of talk.
func (p Dialogue[Req, Res]) Call(ctx context.Context, c *Client, talk func(ask func(Req) (Res, error)) error) error {
	ctx, cancel := context.WithCancel(ctx)
	stream := dial[Req, Res](c, string(p)).CallBidiStream(ctx)
	// While a request may still come, the end of ctx alone ends nothing.
	context.AfterFunc(ctx, func() { _ = stream.CloseRequest() })
	defer func() {
		cancel() // or the closing would wait for the other side
		_ = stream.CloseResponse()
	}()
	return talk(func(req Req) (Res, error) {
		var none Res
		if err := stream.Send(&req); err != nil && !errors.Is(err, io.EOF) { // of an end, Receive knows why
			return none, fromWire(err)
		}
		res, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			return none, Errorf(Unavailable, "the other side ended the dialogue")
		}
		if err != nil {
			return none, fromWire(err)
		}
		return *res, nil
	})
}
