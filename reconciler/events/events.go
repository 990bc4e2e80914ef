// Package events tells people what happened in the cluster, in order.
//
// Nothing of it is stored. What happens is a change of the store, and the store's
// rows say when: so each manager finds the events where two snapshots differ
// ([Between]), and has the same ones as the others, because it applies the same
// changes. Another leader goes on where the last one was. A manager that starts
// compares with an empty store, and so remembers at least what rows still say: the
// tasks of each slot's history, the last revisions, when nodes joined. An event is
// found also if its row changed twice before somebody looked, as long as the row
// still tells it.
//
// A manager keeps the last [Kept] events in memory ([Record]).
package events

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// Between returns what happened between two snapshots, by time. touched says which
// rows may differ. An event whose row does not say when it was happened at the
// time at, when the last change before after was made.
func Between(before, after store.Snapshot, touched store.Touched, at time.Time) []specs.Event {
	d := difference{before: before, after: after, at: at}
	rows(touched, touched.Revisions, before.Revisions(), after.Revisions(), func(r specs.Revision) string { return r.ID }, d.revision)
	rows(touched, touched.Services, before.Services(), after.Services(), func(s specs.Service) string { return s.ID }, d.service)
	rows(touched, touched.Tasks, before.Tasks(), after.Tasks(), func(t specs.Task) string { return t.ID }, d.task)
	rows(touched, touched.Nodes, before.Nodes(), after.Nodes(), func(n specs.Node) string { return n.ID }, d.node)
	rows(store.Touched{All: touched.All || touched.Sources}, nil, before.Sources(), after.Sources(), func(s specs.Source) string { return s.Name }, d.source)
	rows(store.Touched{All: touched.All || touched.Externals}, nil, before.Externals(), after.Externals(), func(e specs.External) string { return e.ID }, d.external)
	slices.SortStableFunc(d.events, func(a, b specs.Event) int { return a.Time.Compare(b.Time) })
	return d.events
}

// rows visits the rows of a table that may differ, in the order of their IDs.
func rows[T any](touched store.Touched, ids map[string]struct{}, before, after iter.Seq[T], id func(T) string, visit func(id string)) {
	if touched.All {
		ids = make(map[string]struct{})
		for _, table := range []iter.Seq[T]{before, after} {
			for row := range table {
				ids[id(row)] = struct{}{}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		visit(id)
	}
}

// difference is Between at work.
type difference struct {
	before, after store.Snapshot
	at            time.Time
	events        []specs.Event
}

// add notes an event; one without a time happened at the time of the difference.
func (d *difference) add(e specs.Event, at time.Time, action, message string) {
	if at.IsZero() {
		at = d.at
	}
	e.Time, e.Action, e.Message = at.UTC(), action, message
	d.events = append(d.events, e)
}

func (d *difference) revision(id string) {
	was, had := d.before.Revision(id)
	is, has := d.after.Revision(id)
	if !has {
		return // pruned
	}
	e := specs.Event{Type: specs.EventRevision, Name: is.Source + " " + is.Commit[:min(len(is.Commit), 7)], ID: is.Commit}
	state, waits := is.Progress.State, is.Progress.State == specs.RevisionRefused || is.Progress.State == specs.RevisionAwaiting
	if !had && !waits && state != specs.RevisionSuperseded {
		d.add(e, is.Created, d.arrival(is), d.arrivalText(is))
	}
	if state != was.Progress.State && state != specs.RevisionRollingOut {
		d.add(e, is.Progress.Since, string(state), is.Progress.Reason)
	}
}

// arrival is approved for a revision that takes the place of one that awaited
// approval.
func (d *difference) arrival(is specs.Revision) string {
	for rev := range d.before.Revisions() {
		_, stays := d.after.Revision(rev.ID)
		if rev.Source == is.Source && rev.Commit == is.Commit && rev.Progress.State == specs.RevisionAwaiting && !stays {
			return "approved"
		}
	}
	return "applied"
}

func (d *difference) arrivalText(is specs.Revision) string {
	text := fmt.Sprintf("%q by %s, %d of %d stacks changed", is.Subject, is.Author, len(is.Changed), is.Stacks)
	if is.Rewritten {
		text += "; the history was rewritten"
	}
	return text
}

func (d *difference) service(id string) {
	was, had := d.before.Service(id)
	is, has := d.after.Service(id)
	name := cmp.Or(is.Spec.Name, was.Spec.Name)
	e := specs.Event{Type: specs.EventService, Name: name, ID: id, Service: name}
	switch {
	case !has:
		d.add(e, time.Time{}, "removed", "")
		return
	case !had:
		d.add(e, is.Created, "created", "")
	}
	if is.Removed && !was.Removed {
		d.add(e, time.Time{}, "removing", "")
	}
	d.rollout(e, was.Rollout, is.Rollout)
}

// rollout tells that a rollout began and how it ended.
func (d *difference) rollout(e specs.Event, was, is specs.Rollout) {
	begun := !is.Started.Equal(was.Started) || is.Target != was.Target
	if begun && !is.Started.IsZero() {
		message := ""
		old, _ := d.before.TaskSpec(was.Target)
		if spec, _ := d.after.TaskSpec(is.Target); was.Target != "" && spec.RestartOf(old) {
			message = specs.ReasonRestarted
		}
		d.add(e, is.Started, string(specs.RolloutUpdating), message)
	}
	if is.State != "" && is.State != specs.RolloutUpdating && (begun || is.State != was.State) {
		d.add(e, is.Ended, string(is.State), is.Message)
	}
}

func (d *difference) task(id string) {
	was, had := d.before.Task(id)
	is, has := d.after.Task(id)
	if !has {
		return // forgotten; its end was told
	}
	e := specs.Event{Type: specs.EventTask, Name: is.Name(), ID: id, Service: is.ServiceName, Node: hostname(d.after, is.Want.Node)}
	if waits(is) && !(had && waits(was)) {
		d.add(e, is.Want.Since, specs.StatePending.String(), is.Want.Reason)
	}
	if was.Seen.Running.IsZero() && !is.Seen.Running.IsZero() {
		d.add(e, is.Seen.Running, specs.StateRunning.String(), "")
	}
	if is.Want.Reason != "" && !is.Wanted() && !(had && !was.Wanted()) {
		d.add(e, is.Want.Since, "stopping", is.Want.Reason)
	}
	if is.Seen.State.Final() && !was.Seen.State.Final() {
		d.add(e, is.Seen.Since, is.Seen.State.String(), ending(is))
	}
}

// waits reports that the task has no node, and says why.
func waits(t specs.Task) bool { return t.Want.Node == "" && t.Want.Reason != "" && t.Wanted() }

// ending is how a task ended by itself, in words.
func ending(t specs.Task) string {
	if exit := t.Seen.Exit; exit != nil && t.Seen.Err == "" && exit.Code != 0 {
		return fmt.Sprintf("exit code %d", exit.Code)
	}
	return t.Seen.Err
}

func (d *difference) node(id string) {
	was, had := d.before.Node(id)
	is, has := d.after.Node(id)
	name := cmp.Or(is.Seen.Description.Hostname, was.Seen.Description.Hostname, id)
	e := specs.Event{Type: specs.EventNode, Name: name, ID: id, Node: name}
	switch {
	case !has:
		d.add(e, time.Time{}, "removed", "")
		return
	case !had:
		d.add(e, is.Created, "joined", "as "+string(is.Spec.Role))
	case was.Spec.Role != is.Spec.Role && is.Spec.Role == specs.Manager:
		d.add(e, time.Time{}, "promoted", "")
	case was.Spec.Role != is.Spec.Role:
		d.add(e, time.Time{}, "demoted", "")
	}
	if a := cmp.Or(is.Spec.Availability, specs.Active); had && a != cmp.Or(was.Spec.Availability, specs.Active) {
		d.add(e, time.Time{}, string(a), "")
	}
	if is.Seen.Status != was.Seen.Status && is.Seen.Status != "" {
		d.add(e, is.Seen.Since, string(is.Seen.Status), "")
	}
}

func (d *difference) source(name string) {
	was, had := d.before.Source(name)
	is, has := d.after.Source(name)
	e := specs.Event{Type: specs.EventSource, Name: name, ID: name}
	switch {
	case name == specs.MainSource:
	case !has:
		d.add(e, time.Time{}, "removed", "")
	case !had:
		d.add(e, is.Added, "added", is.URL)
	case is.Suspended && !was.Suspended:
		d.add(e, time.Time{}, "suspended", "")
	case !is.Suspended && was.Suspended:
		d.add(e, time.Time{}, "resumed", "")
	}
}

// external tells of a secret or config that a person made in the cluster. A second
// of the same name may have taken the place of the first.
func (d *difference) external(id string) {
	was, had := external(d.before, id)
	is, has := external(d.after, id)
	if had && (!has || is.Created != was.Created) {
		d.add(fileEvent(was), time.Time{}, "removed", "")
	}
	if has && (!had || is.Created != was.Created) {
		d.add(fileEvent(is), is.Created, "created", "")
	}
}

func fileEvent(x specs.External) specs.Event {
	return specs.Event{Type: specs.EventType(x.Kind), Name: x.Name, ID: x.ID}
}

func external(snap store.Snapshot, id string) (specs.External, bool) {
	kind, name, _ := strings.Cut(id, "/") // specs.ExternalID
	return snap.External(specs.FileKind(kind), name)
}

func hostname(snap store.Snapshot, id string) string {
	node, _ := snap.Node(id)
	return cmp.Or(node.Seen.Description.Hostname, id)
}
