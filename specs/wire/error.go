package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"connectrpc.com/connect"
)

// Kind is what a caller can do about an error. Its words are for people.
type Kind uint32

// The kinds of errors that cross the wire. A kind is one of Connect's codes, so
// that any Connect client understands it.
const (
	Internal         = Kind(connect.CodeInternal)           // a bug or a broken machine
	Canceled         = Kind(connect.CodeCanceled)           // the caller went away
	DeadlineExceeded = Kind(connect.CodeDeadlineExceeded)   // the caller waited long enough
	InvalidArgument  = Kind(connect.CodeInvalidArgument)    // asking again in the same way is no use
	NotFound         = Kind(connect.CodeNotFound)           // what was named does not exist
	AlreadyExists    = Kind(connect.CodeAlreadyExists)      // the name is taken
	Conflict         = Kind(connect.CodeAborted)            // overtaken: look again
	NotLeader        = Kind(connect.CodeFailedPrecondition) // ask another manager
	PermissionDenied = Kind(connect.CodePermissionDenied)   // known, and not allowed
	Unauthenticated  = Kind(connect.CodeUnauthenticated)    // not known
	Unavailable      = Kind(connect.CodeUnavailable)        // ask again later
	Exhausted        = Kind(connect.CodeResourceExhausted)  // too much or too large
	Unimplemented    = Kind(connect.CodeUnimplemented)      // the other side is older
	OutcomeUnknown   = Kind(connect.CodeUnknown)            // may have happened: look, do not repeat
)

func (k Kind) String() string { return connect.Code(k).String() }

// Error is an error with a kind. Handlers return it, and clients get it back
// with the same kind and words.
type Error struct {
	Kind Kind
	err  error
}

// Errorf makes an Error; %w keeps what is wrapped for the handler's own side.
func Errorf(k Kind, format string, args ...any) error {
	return &Error{Kind: k, err: fmt.Errorf(format, args...)}
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns what the error was made of. Across the wire only the end of a
// context survives.
func (e *Error) Unwrap() error { return e.err }

// KindOf returns the kind of err; an error without one is Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineExceeded
	}
	return Internal
}

// toWire gives a handler's error the form that Connect sends. Where an Error is the
// cause of the end of ctx, it says more than what came of that end.
func toWire(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var cause *Error
	if errors.As(context.Cause(ctx), &cause) && KindOf(err) != OutcomeUnknown {
		err = cause
	}
	return connect.NewError(connect.Code(KindOf(err)), errors.New(err.Error()))
}

// fromWire undoes toWire. What the connection itself reports is Unavailable,
// without the address that Go puts in front of its words.
func fromWire(err error) error {
	var sent *connect.Error
	if err == nil || !errors.As(err, &sent) {
		return err
	}
	kind, words := Kind(sent.Code()), errors.New(sent.Message())
	var transport *url.Error
	var own *Error
	switch {
	case kind == Canceled && connect.IsWireError(err): // our own context has not ended: the server's has
		return Errorf(Unavailable, "it was stopped before it had answered")
	case kind == Canceled:
		return &Error{kind, context.Canceled}
	case kind == DeadlineExceeded:
		return &Error{kind, context.DeadlineExceeded}
	case !connect.IsWireError(err) && errors.As(err, &own): // of our Dial
		return own
	case !connect.IsWireError(err) && errors.As(err, &transport):
		return &Error{kind, transport.Err}
	}
	return &Error{kind, words}
}

// Refuse answers a request that reaches no procedure, in the form in which its
// caller expects an error.
func Refuse(w http.ResponseWriter, r *http.Request, err error) {
	_ = connect.NewErrorWriter().Write(w, r, toWire(r.Context(), err)) // who has gone needs no answer
}
