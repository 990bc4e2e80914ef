package metrics

import "github.com/prometheus/client_golang/prometheus"

// Raft is how a manager's part in the agreement stands.
type Raft struct {
	Leads       bool   // this manager
	LeaderKnown bool   // somebody leads
	Term        uint64 // of the leadership
	Last        uint64 // index of the newest entry in the log
	Committed   uint64 // of the newest one that is known to be agreed on
	Applied     uint64 // of the newest one that was applied
	Managers    int
	Voters      int
	Reachable   int // managers that answer this one; only the leader knows
	Writable    bool
}

var (
	leads       = desc("swarmgit_raft_leader", "1 if this manager leads the cluster, else 0.")
	leaderKnown = desc("swarmgit_raft_leader_known", "1 if this manager knows who leads, 0 while nobody does: nothing can be changed then, and what runs goes on.")
	term        = desc("swarmgit_raft_term", "Raft's current term; it grows with each election.")
	last        = desc("swarmgit_raft_last_index", "Index of the newest entry in this manager's Raft log.")
	committed   = desc("swarmgit_raft_commit_index", "Index of the newest entry that this manager knows to be agreed on.")
	applied     = desc("swarmgit_raft_applied_index", "Index of the newest entry that this manager applied; how far it is behind the leader's tells how old its copy is.")
	writable    = desc("swarmgit_raft_disk_writable", "1 if this manager's disk takes changes, 0 while it is too full.")
	managers    = desc("swarmgit_managers", "Managers of the cluster, voting or not.")
	voting      = desc("swarmgit_managers_voting", "Managers with a vote; more than half of them must be up for anything to change.")
	reachable   = desc("swarmgit_managers_reachable", "Managers that answered within the last second, the leader itself included. Told by the leader only.")
)

// raft asks the manager's Raft at each scrape.
type raft struct{ Manager }

func (raft) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leads, leaderKnown, term, last, committed, applied, writable, managers, voting, reachable} {
		descs <- d
	}
}

func (r raft) Collect(metrics chan<- prometheus.Metric) {
	is := r.Raft()
	metrics <- gauge(leads, truth(is.Leads))
	metrics <- gauge(leaderKnown, truth(is.LeaderKnown))
	metrics <- gauge(term, float64(is.Term))
	metrics <- gauge(last, float64(is.Last))
	metrics <- gauge(committed, float64(is.Committed))
	metrics <- gauge(applied, float64(is.Applied))
	metrics <- gauge(writable, truth(is.Writable))
	metrics <- gauge(managers, float64(is.Managers))
	metrics <- gauge(voting, float64(is.Voters))
	if is.Leads {
		metrics <- gauge(reachable, float64(is.Reachable))
	}
}
