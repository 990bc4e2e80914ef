package consensus

import "github.com/hashicorp/raft"

// Vitals is how far this manager is.
type Vitals struct {
	Leads     bool
	Term      uint64
	Last      uint64 // index of the newest entry in the log
	Committed uint64 // of the newest one that is known to be agreed on
	Applied   uint64 // of the newest one that was applied
}

// Vitals are read without waiting for raft.
func (c *Consensus) Vitals() Vitals {
	return Vitals{
		Leads: c.raft.State() == raft.Leader, Term: c.raft.CurrentTerm(),
		Last: c.raft.LastIndex(), Committed: c.raft.CommitIndex(), Applied: c.raft.AppliedIndex(),
	}
}
