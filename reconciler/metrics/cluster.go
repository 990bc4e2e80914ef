package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Manager is what a scrape asks. It answers at once, also while nobody leads.
type Manager interface {
	Snapshot() store.Snapshot
	// NodeStatus is how a node is, as far as this manager knows.
	NodeStatus(specs.Node) specs.NodeStatus
	// Looks tells when an outside source was read last, and how many looks have
	// failed since, if this manager is the one that looks at it.
	Looks(source string) (last time.Time, failures int, looks bool)
	Raft() Raft
}

var (
	tasks     = desc("swarmgit_tasks", "Tasks of the whole cluster by observed state, ended ones that are kept as history included, as this manager's copy has them.", "state")
	wanted    = desc("swarmgit_service_tasks_wanted", "Tasks that a service shall have running.", "service")
	running   = desc("swarmgit_service_tasks_running", "Tasks of a service that run and are wanted; fewer than wanted means that it is degraded or rolling out.", "service")
	nodes     = desc("swarmgit_nodes", "Nodes of the cluster by status and availability. Only the leader can tell unknown (not heard of since it took office) from ready.", "status", "availability")
	revisions = desc("swarmgit_revision_state", "1 for the state of a followed source's newest revision that was not refused, 0 for the other states.", "source", "state")
	arrived   = desc("swarmgit_revision_created_timestamp_seconds", "When a source's newest revision that was not refused arrived, in seconds since 1970.", "source")
	looked    = desc("swarmgit_source_read_timestamp_seconds", "When the leader last read where an outside source's repository is, in seconds since 1970; absent before its first success. Told by the leader only.", "source")
	failures  = desc("swarmgit_source_failures", "Looks at an outside source that failed in a row; 0 while all is well. Told by the leader only, of sources that are not suspended.", "source")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// cluster reads one snapshot at each scrape. What the store says of each kind of
// object has a function of its own.
type cluster struct{ Manager }

func (cluster) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{tasks, wanted, running, nodes, revisions, arrived, looked, failures} {
		descs <- d
	}
}

func (c cluster) Collect(metrics chan<- prometheus.Metric) {
	snap := c.Snapshot()
	collectTasks(snap, metrics)
	collectRevisions(snap, metrics)
	c.collectSources(snap, metrics)
	c.collectNodes(snap, metrics)
}

// taskStates are those that a task is seen in: none is ever seen in REMOVE.
var taskStates = []specs.State{
	specs.StateNew, specs.StatePending, specs.StateAssigned, specs.StateAccepted, specs.StatePreparing, specs.StateReady, specs.StateStarting,
	specs.StateRunning, specs.StateComplete, specs.StateShutdown, specs.StateFailed, specs.StateRejected, specs.StateOrphaned,
}

func collectTasks(snap store.Snapshot, metrics chan<- prometheus.Metric) {
	states, runs := make(map[specs.State]int), make(map[string]int)
	for task := range snap.Tasks() {
		states[task.State()]++
		if converge.Runs(snap, &task) {
			runs[task.ServiceID]++
		}
	}
	for _, state := range taskStates {
		metrics <- gauge(tasks, float64(states[state]), state.String())
	}
	for svc := range snap.Services() {
		metrics <- gauge(wanted, float64(converge.Wanted(snap, svc)), svc.Spec.Name)
		metrics <- gauge(running, float64(runs[svc.ID]), svc.Spec.Name)
	}
}

func (c cluster) collectNodes(snap store.Snapshot, metrics chan<- prometheus.Metric) {
	type kind struct {
		status       specs.NodeStatus
		availability specs.Availability
	}
	count := make(map[kind]int)
	for node := range snap.Nodes() {
		k := kind{c.NodeStatus(node), node.Spec.Availability}
		if k.status == "" {
			k.status = specs.NodeUnknown
		}
		if k.availability == "" {
			k.availability = specs.Active
		}
		count[k]++
	}
	for _, status := range []specs.NodeStatus{specs.NodeReady, specs.NodeDown, specs.NodeUnknown} {
		for _, availability := range []specs.Availability{specs.Active, specs.Pause, specs.Drain} {
			metrics <- gauge(nodes, float64(count[kind{status, availability}]), string(status), string(availability))
		}
	}
}

var revisionStates = []specs.RevisionState{
	specs.RevisionAwaiting, specs.RevisionRollingOut, specs.RevisionHealthy, specs.RevisionPaused, specs.RevisionFailed,
	specs.RevisionRolledBack, specs.RevisionSuperseded,
}

func collectRevisions(snap store.Snapshot, metrics chan<- prometheus.Metric) {
	newest := make(map[string]specs.Revision)
	for rev := range snap.Revisions() {
		if rev.Progress.State != specs.RevisionRefused {
			newest[rev.Source] = rev
		}
	}
	for source, rev := range newest {
		if _, followed := snap.Source(source); !followed {
			continue // it was removed; its revisions stay as history
		}
		metrics <- gauge(arrived, float64(rev.Created.UnixMilli())/1000, source)
		for _, state := range revisionStates {
			metrics <- gauge(revisions, truth(rev.Progress.State == state), source, string(state))
		}
	}
}

func (c cluster) collectSources(snap store.Snapshot, metrics chan<- prometheus.Metric) {
	for source := range snap.Sources() {
		last, failed, looks := c.Looks(source.Name)
		if !looks {
			continue
		}
		metrics <- gauge(failures, float64(failed), source.Name)
		if !last.IsZero() {
			metrics <- gauge(looked, float64(last.UnixMilli())/1000, source.Name)
		}
	}
}

func truth(claim bool) float64 {
	if claim {
		return 1
	}
	return 0
}
