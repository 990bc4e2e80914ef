package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// answerLimit is how long another manager may take to begin with a pack that
// was asked for.
const answerLimit = 30 * time.Second

// Peers are the other managers, as a Fetcher.
type Peers []Peer

// Fetch asks them one after the other, each time in another order.
func (p Peers) Fetch(ctx context.Context, want string, have []string) (io.ReadCloser, error) {
	var troubles []string
	for _, i := range rand.Perm(len(p)) {
		pack, err := download(ctx, p[i].Client, wire.FetchPackRequest{Commit: want, Have: have})
		if err == nil {
			return pack, nil
		}
		if wire.KindOf(err) != wire.NotFound {
			troubles = append(troubles, p[i].Name+": "+err.Error())
		}
	}
	if len(troubles) == 0 {
		return nil, wire.Errorf(wire.NotFound, "no other manager has commit %s", Short(want))
	}
	slices.Sort(troubles)
	return nil, wire.Errorf(wire.Unavailable, "fetch commit %s: %s", Short(want), strings.Join(troubles, "; "))
}

// RegisterManagers serves what other managers ask of the repository. Who mounts
// it lets nobody else in.
func (r *Repository) RegisterManagers(mux *http.ServeMux) {
	wire.StorePack.Serve(mux, r.storePack)
	wire.FetchPack.Serve(mux, r.fetchPack)
}

func (r *Repository) storePack(ctx context.Context, parts iter.Seq2[wire.PackPart, error]) (wire.StorePackReply, error) {
	pack := newPartReader(parts, func() {})
	defer pack.Close()
	first, err := pack.part()
	if err != nil {
		return wire.StorePackReply{}, err
	}
	if !isHash(first.Commit) {
		return wire.StorePackReply{}, wire.Errorf(wire.InvalidArgument, "%q is not a commit", first.Commit)
	}
	if r.Has(ctx, first.Commit) {
		return wire.StorePackReply{Stored: true}, r.again(ctx, first.Commit)
	}
	if !r.knows(ctx, first.Have) {
		return r.instead(ctx)
	}
	err = r.Unpack(ctx, pack, first.Commit, maxTransfer)
	if errors.Is(err, errNotWhole) {
		return r.instead(ctx)
	}
	return wire.StorePackReply{Stored: err == nil}, err
}

// again promises of a commit that is here what Unpack promises.
func (r *Repository) again(ctx context.Context, commit string) error {
	if err := r.syncPacks(); err != nil {
		return err
	}
	return r.keep(ctx, commit)
}

// knows is a cheap guess; that commits are whole is seen when it matters.
func (r *Repository) knows(ctx context.Context, commits []string) bool {
	for _, commit := range commits {
		if _, err := r.Resolve(ctx, commit); err != nil {
			return false
		}
	}
	return true
}

func (r *Repository) instead(ctx context.Context) (wire.StorePackReply, error) {
	tips, err := r.tips(ctx)
	return wire.StorePackReply{Have: tips}, err
}

func (r *Repository) fetchPack(ctx context.Context, req wire.FetchPackRequest, send func(wire.PackPart) error) error {
	if !isHash(req.Commit) {
		return wire.Errorf(wire.InvalidArgument, "%q is not a commit", req.Commit)
	}
	switch err := r.lacks(ctx, req.Commit); {
	case errors.Is(err, errMissing), errors.Is(err, errNotWhole):
		return wire.Errorf(wire.NotFound, "this manager does not have commit %s", Short(req.Commit))
	case err != nil:
		return err
	}
	w := bufio.NewWriterSize(partWriter{send}, wire.PackPartBytes)
	if err := r.Pack(ctx, req.Commit, req.Have, w); err != nil {
		return err
	}
	return w.Flush()
}

// upload sends a pack that write makes.
func upload(ctx context.Context, to *wire.Client, commit string, have []string, write func(io.Writer) error) (wire.StorePackReply, error) {
	return wire.StorePack.Call(ctx, to, func(send func(wire.PackPart) error) error {
		if err := send(wire.PackPart{Commit: commit, Have: have}); err != nil {
			return err
		}
		w := bufio.NewWriterSize(partWriter{send}, wire.PackPartBytes)
		if err := write(w); err != nil {
			return err
		}
		return w.Flush()
	})
}

// download returns a pack once it begins to come.
func download(ctx context.Context, from *wire.Client, req wire.FetchPackRequest) (*partReader, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	patience := time.AfterFunc(answerLimit, func() { cancel(fmt.Errorf("it did not answer in %v", answerLimit)) })
	defer patience.Stop()
	pack := newPartReader(wire.FetchPack.Call(ctx, from, req), func() { cancel(nil) })
	first, err := pack.part()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		pack.Close()
		return nil, err
	}
	pack.rest = first.Data
	return pack, nil
}

// partWriter sends what is written to it, in pieces of a part.
type partWriter struct{ send func(wire.PackPart) error }

func (w partWriter) Write(p []byte) (int, error) {
	for piece := range slices.Chunk(p, wire.PackPartBytes) {
		if err := w.send(wire.PackPart{Data: piece}); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// partReader reads the pack that is in parts. One goroutine uses it.
type partReader struct {
	next func() (wire.PackPart, error, bool)
	end  func()
	rest []byte
}

func newPartReader(parts iter.Seq2[wire.PackPart, error], end func()) *partReader {
	next, stop := iter.Pull2(parts)
	return &partReader{next: next, end: func() { end(); stop() }}
}

// part is the next part; io.EOF after the last.
func (r *partReader) part() (wire.PackPart, error) {
	part, err, more := r.next()
	if !more {
		err = io.EOF
	}
	return part, err
}

func (r *partReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		part, err := r.part()
		if err != nil {
			return 0, err
		}
		r.rest = part.Data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close ends the stream.
func (r *partReader) Close() error {
	r.end()
	return nil
}
