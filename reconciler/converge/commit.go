package converge

import (
	"github.com/swarmgit/swarmgit/specs"
)

// maxChanges bounds one transaction to about 128 KiB, so that an entry of the
// Raft log takes one or two of them. What concerns one slot is never cut apart, but
// for its history: that may be longer.
const maxChanges = 256

// transactions is what differs from the snapshot. The service's own row goes
// once it has no task.
func (w *work) transactions() []specs.Transaction {
	var done []specs.Transaction
	var tx specs.Transaction
	if w.svc.Removed && len(w.slots) == 0 {
		return []specs.Transaction{{{Service: specs.Remove[specs.Service](w.svc.ID, w.svc.SpecVersion)}}}
	}
	if w.svc.Rollout != w.was {
		tx = append(tx, specs.Change{Rollout: specs.Set(w.svc.ID, w.svc.RolloutVersion, w.svc.Rollout)})
	}
	for _, s := range w.slots {
		for i, r := range s.rows {
			if change, differs := r.patch(); differs {
				tx = append(tx, change)
			}
			if last := i == len(s.rows)-1; len(tx) >= maxChanges && (last || r.Ended() && s.rows[i+1].Ended()) {
				done, tx = append(done, tx), nil
			}
		}
	}
	if len(tx) > 0 {
		done = append(done, tx)
	}
	return done
}

func (r *row) patch() (specs.Change, bool) {
	made := r.was == nil
	switch {
	case made && r.forgotten:
		return specs.Change{}, false
	case made:
		return specs.Change{Task: &specs.Patch[specs.Task]{ID: r.ID, Value: r.Task}}, true
	case r.forgotten:
		return specs.Change{Task: specs.Remove[specs.Task](r.ID, r.WantVersion)}, true
	case r.Want != r.was.Want:
		return specs.Change{TaskWant: specs.Set(r.ID, r.WantVersion, r.Want)}, true
	}
	return specs.Change{}, false
}
