package agent

import (
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// maxReports is how many tasks one report names: 1024 states are about 200 kB.
	maxReports = 1024

	// reportPause is how long a state on the way to RUNNING may wait for the
	// next. Each report is an entry in the managers' log, and most of these
	// states are over before it is written.
	reportPause = 100 * time.Millisecond

	// shortReportPause is the least time between the second report and the third
	// of those that follow each other closely. After that it grows up to
	// reportPause.
	shortReportPause = 10 * time.Millisecond
)

// outbox holds what the manager has to be told: the latest state of each task
// that changed. It is safe for concurrent use.
type outbox struct {
	mu     sync.Mutex
	latest map[string]specs.TaskSeen
	order  []string // keys of latest, first come first

	wake   chan struct{} // readable when there may be something to send
	urgent chan struct{} // readable when somebody waits for it
}

func newOutbox() *outbox {
	return &outbox{latest: map[string]specs.TaskSeen{}, wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
}

// put says that the task is in this state now. What nobody waits for goes with
// the next that somebody does, or after reportPause.
func (o *outbox) put(id string, seen specs.TaskSeen, awaited bool) {
	o.mu.Lock()
	if _, there := o.latest[id]; !there {
		o.order = append(o.order, id)
	}
	o.latest[id] = seen
	o.mu.Unlock()
	signal(o.wake)
	if awaited {
		signal(o.urgent)
	}
}

// take returns what is to be sent next; it is empty when there is nothing.
func (o *outbox) take() []wire.TaskReport {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(o.order), maxReports)
	reports := make([]wire.TaskReport, n)
	for i, id := range o.order[:n] {
		reports[i] = wire.TaskReport{TaskID: id, Seen: o.latest[id]}
		delete(o.latest, id)
	}
	o.order = o.order[n:]
	return reports
}

// putBack takes again what was not acknowledged, unless something newer came.
func (o *outbox) putBack(reports []wire.TaskReport) {
	o.mu.Lock()
	for _, r := range reports {
		if _, newer := o.latest[r.TaskID]; !newer {
			o.latest[r.TaskID] = r.Seen
			o.order = append(o.order, r.TaskID)
		}
	}
	o.mu.Unlock()
	signal(o.wake)
}
