package converge

import (
	"github.com/swarmgit/swarmgit/reconciler/restart"
	"github.com/swarmgit/swarmgit/specs"
)

// forget drops rows that are of no use any more: tasks that were never on a
// node, tasks of slots that went, and history beyond what is kept.
func (w *work) forget() {
	keep := w.history()
	for _, s := range w.slots {
		s.trim(keep, s.dates(w.svc.Spec.Restart), w.gone)
	}
}

// history is how many ended tasks of a slot are kept; negative is all.
func (w *work) history() int {
	keep := specs.DefaultHistory
	if set := w.draft.Cluster().Spec.History; set != nil {
		keep = *set
	}
	if keep < 0 {
		return keep
	}
	keep = max(keep, restart.Attempts(w.svc.Spec.Restart))
	if state := w.svc.Rollout.State; state == specs.RolloutUpdating || state == specs.RolloutPaused {
		keep = max(keep, 1) // the rollout and a plan over it know failures by their rows
	}
	return keep
}

// gone reports that nothing of the task is left to wait for.
func (w *work) gone(r *row) bool {
	return r.Ended() || r.Want.Node != "" && !w.node(r.Want.Node).known
}

// dates are the ends that the restart policy has to know the time of.
func (s *slot) dates(p specs.RestartPolicy) map[*row]bool {
	if p.Window == 0 {
		return nil
	}
	dates, ends := map[*row]bool{}, s.ends()
	for _, e := range ends {
		dates[e.row] = restart.Dates(p, e.number, ends[len(ends)-1].number)
	}
	return dates
}

// trim forgets what the slot no longer needs. Of its ended tasks the newest are
// kept, those of dates, and always the one that stands for the slot.
func (s *slot) trim(keep int, dates map[*row]bool, gone func(*row) bool) {
	current, kept := s.current(), 0
	for i := len(s.rows) - 1; i >= 0; i-- {
		r := s.rows[i]
		switch {
		case r.Wanted() || !gone(r):
		case r.Want.Desired == specs.StateRemove || r.Want.Node == "":
			r.forgotten = true
		case r != current && keep >= 0 && kept >= keep && !dates[r]:
			r.forgotten = true
		default:
			kept++
		}
	}
}
