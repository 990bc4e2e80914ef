package consensus

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// probationKey stands beside raft's own keys. Its number is 1 from a start with
// an empty disk until the leader's Join has given this manager its vote.
var probationKey = []byte("swarmgit-probation")

// voteKey is where raft writes the term that it votes in, before it votes.
const voteKey = "LastVoteTerm"

// termKey is where raft writes its term.
var termKey = []byte("CurrentTerm")

var errProbation = errors.New("this manager began with an empty disk and votes once the leader has given it a vote")

// probation keeps a manager with an empty disk from voting. If it was a voter
// before its disk was wiped, it has forgotten whom it has voted for and what it
// has written: its vote could make a leader that lacks what was acknowledged.
type probation struct {
	store raft.StableStore
	lasts atomic.Bool
}

// begin reads whether probation lasts, and begins it where there is no state.
func (p *probation) begin(s storage) error {
	p.store = s.stable
	last, err := s.log.LastIndex()
	if err != nil {
		return fmt.Errorf("read where the log ends: %w", err)
	}
	snapshots, err := s.snapshots.List()
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	if last == 0 && len(snapshots) == 0 {
		return p.set(true)
	}
	mark, err := s.number(probationKey)
	if err != nil {
		return fmt.Errorf("read whether this manager may vote: %w", err)
	}
	p.lasts.Store(mark == 1)
	return nil
}

func (p *probation) on() bool { return p.lasts.Load() }

// refusal is why this manager neither votes nor stands for election; nil when it
// may. One that asked for votes without having its own would only make terms.
func (p *probation) refusal() error {
	if p.on() {
		return errProbation
	}
	return nil
}

func (p *probation) end() error {
	if !p.on() {
		return nil
	}
	return p.set(false)
}

func (p *probation) set(on bool) error {
	mark := uint64(0)
	if on {
		mark = 1
	}
	if err := p.store.SetUint64(probationKey, mark); err != nil {
		return fmt.Errorf("write whether this manager may vote: %w", err)
	}
	p.lasts.Store(on)
	return nil
}

// votes is a stable store that refuses to write a vote, so that raft gives none.
type votes struct {
	raft.StableStore
	probation *probation
}

func (v votes) SetUint64(key []byte, value uint64) error {
	if err := v.probation.refusal(); err != nil && string(key) == voteKey {
		return err
	}
	return v.StableStore.SetUint64(key, value)
}
