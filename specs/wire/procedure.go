package wire

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"

	"connectrpc.com/connect"
)

// Unary is the name of a procedure with one request and one reply.
type Unary[Req, Res any] string

// Serve answers the procedure on mux.
func (p Unary[Req, Res]) Serve(mux *http.ServeMux, answer func(context.Context, Req) (Res, error)) {
	mux.Handle(string(p), connect.NewUnaryHandlerSimple(string(p),
		func(ctx context.Context, req *Req) (*Res, error) {
			res, err := answer(ctx, *req)
			return &res, toWire(ctx, err)
		}, handlerOptions()...))
}

// Call asks the other side and waits for its reply.
func (p Unary[Req, Res]) Call(ctx context.Context, c *Client, req Req) (Res, error) {
	res, err := dial[Req, Res](c, string(p)).CallUnary(ctx, connect.NewRequest(&req))
	if err != nil {
		var none Res
		return none, fromWire(err)
	}
	return *res.Msg, nil
}

// ServerStream is the name of a procedure with one request and many replies.
type ServerStream[Req, Res any] string

// Serve answers the procedure on mux. send blocks while the receiver is slow
// and fails once it took nothing for SendTimeout; it is called by one goroutine
// at a time. The stream ends when answer returns.
func (p ServerStream[Req, Res]) Serve(mux *http.ServeMux, answer func(ctx context.Context, req Req, send func(Res) error) error) {
	mux.Handle(string(p), impatient(connect.NewServerStreamHandler(string(p),
		func(ctx context.Context, req *connect.Request[Req], stream *connect.ServerStream[Res]) error {
			return toWire(ctx, answer(ctx, *req.Msg, func(res Res) error { return stream.Send(&res) }))
		}, handlerOptions()...)))
}

// Call asks the other side and yields its replies as they come. An error is
// yielded last and once; without one the other side ended the stream. Leaving
// the loop ends the stream too.
func (p ServerStream[Req, Res]) Call(ctx context.Context, c *Client, req Req) iter.Seq2[Res, error] {
	return func(yield func(Res, error) bool) {
		var none Res
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := dial[Req, Res](c, string(p)).CallServerStream(ctx, connect.NewRequest(&req))
		if err != nil {
			yield(none, fromWire(err))
			return
		}
		defer func() {
			cancel() // or Close would wait for what the other side still sends
			_ = stream.Close()
		}()
		for stream.Receive() {
			if !yield(*stream.Msg(), nil) {
				return
			}
		}
		if err := stream.Err(); err != nil {
			yield(none, fromWire(err))
		}
	}
}

// ClientStream is the name of a procedure with many requests and one reply.
type ClientStream[Req, Res any] string

// Serve answers the procedure on mux. requests yields what comes in; an error
// is yielded last and once.
func (p ClientStream[Req, Res]) Serve(mux *http.ServeMux, answer func(ctx context.Context, requests iter.Seq2[Req, error]) (Res, error)) {
	mux.Handle(string(p), connect.NewClientStreamHandlerSimple(string(p),
		func(ctx context.Context, stream *connect.ClientStream[Req]) (*Res, error) {
			res, err := answer(ctx, received(stream))
			return &res, toWire(ctx, err)
		}, handlerOptions()...))
}

func received[Req any](stream *connect.ClientStream[Req]) iter.Seq2[Req, error] {
	return func(yield func(Req, error) bool) {
		for stream.Receive() {
			if !yield(*stream.Msg(), nil) {
				return
			}
		}
		if err := stream.Err(); err != nil {
			var none Req
			yield(none, fromWire(err))
		}
	}
}

// Call sends what source sends, then waits for the reply. send fails once the
// other side has answered; its answer is then what Call returns. An error of
// source ends the call.
func (p ClientStream[Req, Res]) Call(ctx context.Context, c *Client, source func(send func(Req) error) error) (Res, error) {
	var none Res
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := dial[Req, Res](c, string(p)).CallClientStream(ctx)
	answered := false
	err := source(func(req Req) error {
		err := stream.Send(&req)
		answered = errors.Is(err, io.EOF)
		return err
	})
	if err != nil && !answered {
		cancel()
		_, _ = stream.CloseAndReceive()
		return none, fromWire(err)
	}
	res, err := stream.CloseAndReceive()
	if err != nil {
		return none, fromWire(err)
	}
	return *res.Msg, nil
}

func dial[Req, Res any](c *Client, procedure string) *connect.Client[Req, Res] {
	return connect.NewClient[Req, Res](c.http, c.base+procedure, c.options...)
}
