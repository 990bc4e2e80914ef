package planner

import (
	"cmp"
	"container/heap"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Latencies of the simulated worker. They are guesses that make order and
// estimates plausible; no count depends on them. States that no rule looks at
// (accepted, preparing, starting) pass within the step.
const (
	prepareTime = 2 * time.Second // assigned -> ready: the image is there or small
	startTime   = time.Second     // ready -> running
	stopTime    = 2 * time.Second // asked to stop -> shutdown
	shortest    = time.Second     // the shortest of them
)

// step is what a healthy worker does next with a task, and how long it takes.
// It is false when there is nothing to do, or nobody to do it.
func step(t specs.Task, node specs.Node) (next specs.State, takes time.Duration, ok bool) {
	switch state := t.State(); {
	case t.Want.Node == "" || node.Seen.Status != specs.NodeReady || state.Final():
		return 0, 0, false
	case !t.Wanted():
		return specs.StateShutdown, stopTime, true
	case state < specs.StateReady:
		return specs.StateReady, prepareTime, true
	case state < specs.StateRunning && t.Want.Desired == specs.StateRunning:
		return specs.StateRunning, startTime, true
	}
	return 0, 0, false
}

// event is a step that a worker will have done at a time.
type event struct {
	at      time.Time
	service string // name
	slot    specs.SlotID
	node    string
	task    string
	next    specs.State
}

func (e event) compare(o event) int {
	return cmp.Or(e.at.Compare(o.at), cmp.Compare(e.service, o.service), e.slot.Compare(o.slot),
		cmp.Compare(e.node, o.node), cmp.Compare(e.task, o.task))
}

// agenda holds the events to come, one a task, soonest first. An event whose
// task got another plan stays in the queue and is skipped.
type agenda struct {
	queue  events
	latest map[string]event
}

func (a *agenda) set(e event) {
	if old, ok := a.latest[e.task]; ok && old.next == e.next {
		return // under way
	}
	a.latest[e.task] = e
	heap.Push(&a.queue, e)
}

func (a *agenda) cancel(task string) { delete(a.latest, task) }

// peek is the soonest event, if there is one.
func (a *agenda) peek() (event, bool) {
	for len(a.queue) > 0 {
		if e := a.queue[0]; a.latest[e.task] == e {
			return e, true
		}
		heap.Pop(&a.queue)
	}
	return event{}, false
}

// take removes and returns the soonest event if it happens by the time.
func (a *agenda) take(by time.Time) (event, bool) {
	e, ok := a.peek()
	if !ok || e.at.After(by) {
		return event{}, false
	}
	heap.Pop(&a.queue)
	delete(a.latest, e.task)
	return e, true
}

type events []event

func (q events) Len() int           { return len(q) }
func (q events) Less(i, j int) bool { return q[i].compare(q[j]) < 0 }
func (q events) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *events) Push(e any)        { *q = append(*q, e.(event)) }
func (q *events) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
