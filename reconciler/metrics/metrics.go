// Package metrics tells Prometheus how a manager and its cluster are. Most of it
// is read when somebody asks: from a snapshot of the store, and from Raft. Only
// durations are noted as they happen, by who measures them. METRICS.md lists all
// names. The registry is the manager's own; nothing here is global.
//
// Every manager answers for itself, from its own copy of the store. It refuses
// nothing: who serves it asks for credentials.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Metrics are those of one manager. Its methods may be called concurrently; none
// of them blocks.
type Metrics struct {
	registry *prometheus.Registry

	pass, plan, commit prometheus.Histogram
	push, proposal     *prometheus.HistogramVec
	created, placed    prometheus.Counter
}

// scrapesAtOnce bounds the scrapes that are answered at the same time: each one
// walks all tasks. More are answered by 503.
const scrapesAtOnce = 2

// New makes the metrics of a manager, which is asked at every scrape.
func New(version string, manager Manager) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		pass:     histogram("swarmgit_reconcile_duration_seconds", "Time of one pass of the reconcile loop, scheduling included, without the writing of its decisions. Only the leader makes passes.", 0.0001),
		plan:     histogram("swarmgit_plan_duration_seconds", "Time to simulate one plan, for a push or for a person, without the reading of its files.", 0.0001),
		commit:   histogram("swarmgit_raft_commit_duration_seconds", "Time from handing one entry to Raft until it is agreed on and applied here. Only the leader commits.", 0.0005),
		push:     histograms("swarmgit_push_duration_seconds", "Time of one git push from its check until it is committed or refused, without the rollout, by result.", 0.01, "result"),
		proposal: histograms("swarmgit_proposal_duration_seconds", "Time of one proposed change from its arrival until its outcome is known, the wait for earlier ones included, by outcome.", 0.0005, "outcome"),
		created:  counter("swarmgit_tasks_created_total", "Tasks that this manager created while it led."),
		placed:   counter("swarmgit_scheduler_placements_total", "Tasks that this manager's scheduler assigned to a node while it led."),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "swarmgit_build_info", Help: "Always 1; the label says which version of swarmgit runs here.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, m.pass, m.plan, m.commit, m.push, m.proposal, m.created, m.placed,
		cluster{manager}, raft{manager},
	)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesAtOnce})
}

// Pass notes one pass of the loop.
func (m *Metrics) Pass(took time.Duration) { m.pass.Observe(took.Seconds()) }

// Decided counts the tasks that a written transaction, decided over snap, creates
// and places.
func (m *Metrics) Decided(snap store.Snapshot, tx specs.Transaction) {
	for _, change := range tx {
		switch {
		case change.Task != nil && change.Task.Value != nil:
			m.created.Inc()
			if change.Task.Value.Want.Node != "" {
				m.placed.Inc()
			}
		case change.TaskWant != nil && change.TaskWant.Value != nil && change.TaskWant.Value.Node != "":
			if before, _ := snap.Task(change.TaskWant.ID); before.Want.Node == "" {
				m.placed.Inc()
			}
		}
	}
}

// Plan notes one simulated plan.
func (m *Metrics) Plan(took time.Duration) { m.plan.Observe(took.Seconds()) }

// Commit notes one entry of Raft.
func (m *Metrics) Commit(took time.Duration) { m.commit.Observe(took.Seconds()) }

// Push notes one push: "committed", "refused" or "failed".
func (m *Metrics) Push(result string, took time.Duration) {
	m.push.WithLabelValues(result).Observe(took.Seconds())
}

// Proposal notes one proposal by its outcome: "answered" with a verdict on each
// of its transactions, "not_leader", "disk_full" or "unknown".
func (m *Metrics) Proposal(outcome string, took time.Duration) {
	m.proposal.WithLabelValues(outcome).Observe(took.Seconds())
}

// options has nine buckets, which quadruple from the first one, in seconds.
func options(name, help string, first float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, 4, 9)}
}

func histogram(name, help string, first float64) prometheus.Histogram {
	return prometheus.NewHistogram(options(name, help, first))
}

func histograms(name, help string, first float64, label string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(options(name, help, first), []string{label})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}
