package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// replicateLimit is how long a majority may take to store what a push brings.
	replicateLimit = 10 * time.Second
	// lateLimit is how long those who are not waited for any more are sent it: a
	// manager that is later than that fetches what it lacks.
	lateLimit = time.Minute
	// courtesy is how long the others are waited for once there is a majority,
	// so that people read "3 of 3" where all are well.
	courtesy = 100 * time.Millisecond
)

// Peer is another manager.
type Peer struct {
	Name   string // as people know it
	Client *wire.Client
}

// Copies counts the managers that have what was pushed. It is zero where there
// is but one manager.
type Copies struct{ Stored, Managers int }

func (c Copies) String() string {
	return fmt.Sprintf("objects on %d of %d managers", c.Stored, c.Managers)
}

func (c Copies) needed() int { return c.Managers/2 + 1 }

// ReplicationError says that no majority of the managers has stored a commit.
// Nothing has moved, and the commit may be sent again.
type ReplicationError struct {
	Copies
	Whys map[string]string // the other managers that have not -> why, in words
}

func (e *ReplicationError) Error() string {
	return fmt.Sprintf("%s, %d are needed: %s", e.Copies, e.needed(), strings.Join(e.lines(), "; "))
}

func (e *ReplicationError) lines() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(e.Whys)) {
		lines = append(lines, name+": "+e.Whys[name])
	}
	return lines
}

func (e *ReplicationError) refusal() *refusal {
	var help strings.Builder
	fmt.Fprintf(&help, "A push needs %d of %d managers to store it:\n", e.needed(), e.Managers)
	for _, line := range e.lines() {
		help.WriteString(Wrap("  "+Printable(line), "    "))
	}
	help.WriteString("See swarmgit node ls, then push again.")
	return &refusal{why: e.Copies.String(), help: help.String()}
}

// Replicate sends a commit that is whole here to all peers, the other managers,
// at the same time. have are commits that they should have whole: what they
// have is not sent. It returns once a majority of all managers, this one among
// them, has it on disk, or with a ReplicationError once that cannot be, after
// replicateLimit, or when ctx ends. The others are sent it for lateLimit all the
// same.
func (r *Repository) Replicate(ctx context.Context, peers []Peer, commit string, have []string) (Copies, error) {
	if len(peers) == 0 {
		return Copies{}, nil
	}
	pack, err := r.spool(ctx, Environment(), commit, have)
	if err != nil {
		// Not wrapped: a deadline would read as an outcome that is not known.
		return Copies{}, fmt.Errorf("nothing has moved: %v", err)
	}
	answers := make(chan stored, len(peers))
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), lateLimit)
	r.sending.Go(func() {
		select {
		case <-r.closed:
			cancel()
		case <-late.Done():
		}
	})
	r.sending.Go(func() {
		defer cancel()
		defer pack.Close()
		var each sync.WaitGroup
		for _, peer := range peers {
			each.Go(func() { answers <- stored{peer.Name, r.storeOn(late, peer, pack, commit, have)} })
		}
		each.Wait()
	})
	return majority(ctx, peers, answers)
}

// stored is how it went with one peer.
type stored struct {
	name string
	err  error
}

func majority(ctx context.Context, peers []Peer, answers <-chan stored) (Copies, error) {
	copies := Copies{Stored: 1, Managers: len(peers) + 1}
	whys := map[string]string{}
	for _, peer := range peers {
		whys[peer.Name] = "it did not answer in time"
	}
	limit := time.NewTimer(replicateLimit)
	defer limit.Stop()
	for range peers {
		select {
		case answer := <-answers:
			if answer.err != nil {
				whys[answer.name] = answer.err.Error()
				continue
			}
			delete(whys, answer.name)
			if copies.Stored++; copies.Stored == copies.needed() {
				limit.Reset(courtesy)
			}
		case <-limit.C:
			return copies.judge(whys)
		case <-ctx.Done():
			return copies.judge(whys)
		}
	}
	return copies.judge(whys)
}

func (c Copies) judge(whys map[string]string) (Copies, error) {
	if c.Stored < c.needed() {
		return c, &ReplicationError{c, whys}
	}
	return c, nil
}

// storeOn sends one peer the pack, or another that builds on what it has.
func (r *Repository) storeOn(ctx context.Context, peer Peer, pack *os.File, commit string, have []string) error {
	reply, err := upload(ctx, peer.Client, commit, have, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(pack, 0, int64(maxTransfer)))
		return err
	})
	if err != nil || reply.Stored {
		return err
	}
	reply, err = upload(ctx, peer.Client, commit, reply.Have, func(w io.Writer) error {
		return r.Pack(ctx, commit, reply.Have, w)
	})
	if err == nil && !reply.Stored {
		err = errors.New("its repository is damaged: restart its daemon, which makes it anew")
	}
	return err
}
