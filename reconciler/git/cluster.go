package git

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
)

// Cluster is what pushes are for. The manager keeps it.
type Cluster interface {
	// Refs is the store's rows: ref name (refs/heads/main) -> commit, 40 hex
	// digits. The caller owns the map.
	Refs() map[string]string

	// Check says whether the push may come in, and writes the problems or the
	// plan to out as text of at most [Width] columns. An error refuses the push;
	// its text, a few words ("3 problems"), is what git shows beside "remote
	// rejected". ctx ends when the client is gone; then nothing has happened.
	Check(ctx context.Context, push Push, out io.Writer) (Checked, error)
}

// Checked is a push that passed Check and is not committed yet. It may be
// dropped at any time.
type Checked interface {
	// Commit has the objects stored by a majority of the managers, see
	// Repository.Replicate, and then moves the ref's row from push.Old to push.New
	// by compare-and-swap and, on the followed branch, applies the commit. The
	// row stays where push.Again(). The objects are on this
	// manager's disk when it is called; the push's Files are not readable any
	// more, Repository.Files is. It is not cancelled by the client. An error
	// wraps ErrConflict or ErrOutcomeUnknown where that is so; any other, a
	// ReplicationError too, says that the row has not moved.
	Commit(ctx context.Context) error

	// Copies tells after Commit how many managers have the objects.
	Copies() Copies

	// Follow writes how the rollout goes until it ends or ctx ends, which is
	// when the client is gone. It is called only after Commit, and not at all
	// for OptionNoWait.
	Follow(ctx context.Context, out io.Writer) error
}

// What Commit's errors wrap.
var (
	ErrConflict       = errors.New("the ref moved meanwhile")
	ErrOutcomeUnknown = errors.New("outcome not known")
)

// Push is one ref that somebody wants to move.
type Push struct {
	Ref      string // refs/heads/main
	Old      string // 40 hex digits; empty: the ref is new
	New      string // 40 hex digits; empty: the ref is to go
	Followed bool   // the cluster follows this branch
	Forced   bool   // New does not descend from Old; never on the followed branch
	Options  []string

	Commit Commit // of New; zero for a deletion
	Files  fs.FS  // New's tree, readable until Check returns; nil for a deletion
}

// Branch is the short name of the push's ref.
func (p Push) Branch() string { return branch(p.Ref) }

// Again reports that the push moves nothing: it brings the commit that the ref
// is at, which the managers had lost.
func (p Push) Again() bool { return p.New != "" && p.New == p.Old }

// Has reports that the push was made with `-o option`.
func (p Push) Has(option string) bool { return slices.Contains(p.Options, option) }

// The options that a push may carry.
const (
	OptionNoWait        = "no-wait"        // answer at the commit, do not watch the rollout
	OptionAcceptPartial = "accept-partial" // take keys that are parsed but not built yet
	OptionAllowRemoval  = "allow-removal"  // take a commit that removes most of what runs
)

var knownOptions = []string{OptionAcceptPartial, OptionAllowRemoval, OptionNoWait}
