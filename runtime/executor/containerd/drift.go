package containerd

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	eventsapi "github.com/containerd/containerd/api/events"
	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/runc/options"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/events"
	"github.com/containerd/typeurl/v2"

	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
	"github.com/swarmgit/swarmgit/specs/bell"
)

const (
	// limitsPeriod is the time between two looks at the limits of all tasks:
	// containerd tells nobody when it changes them.
	limitsPeriod = 500 * time.Millisecond
	// resubscribeDelay is the pause after a subscription that has ended.
	resubscribeDelay = 200 * time.Millisecond
	// markPause is how long one mark of ours may take to come back.
	markPause = 100 * time.Millisecond
)

// topicMark is the topic of the events by which Watch learns that it hears.
const topicMark = "/swarmgit/watching"

// topics are what makes Watch look at a container. That a process has ended Wait
// is told by its shim.
var topics = []string{"/tasks/paused", "/containers/update", "/containers/delete", "/snapshot/remove", topicMark}

// tampered says what was done to a task behind our back.
type tampered string

func (t tampered) Error() string { return "task: " + string(t) + " behind swarmgit's back" }

const errDeleted = tampered("its container was deleted")

// watched are the tasks whose end somebody waits for, and what was found of those
// for whom nobody waits yet.
type watched struct {
	mu    sync.Mutex
	waits map[string]wait
	notes map[string]error
}

// wait is for the end of one task.
type wait struct {
	cancel context.CancelCauseFunc // called when something was done to the task
	limits string                  // with which the task was made; "" if nobody remembers
}

func (w *watched) add(id string, task wait) (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if note := w.notes[id]; note != nil {
		task.cancel(note)
		delete(w.notes, id)
		return func() {}
	}
	w.waits[id] = task
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.waits, id)
	}
}

// tell passes on what was found of a task, nil if it is as it was made.
func (w *watched) tell(id string, found error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch task, waited := w.waits[id]; {
	case found == nil:
		delete(w.notes, id)
	case waited:
		task.cancel(found)
	default:
		w.notes[id] = found
	}
}

// forget drops what was found of a task that is removed.
func (w *watched) forget(id string) { w.tell(id, nil) }

func (w *watched) all() map[string]wait {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.waits)
}

func (w *watched) has(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, waited := w.waits[id]
	return waited
}

// Watch sees what is done to our tasks behind our back, by containerd's events,
// and has their Wait tell it, until ctx ends. It looks at all of them whenever it
// begins to hear: after a restart of containerd too.
func (e *Engine) Watch(ctx context.Context) error {
	var both sync.WaitGroup
	both.Go(func() { e.watchLimits(ctx) })
	defer both.Wait()
	for ctx.Err() == nil {
		if err := e.listen(ctx); err != nil && ctx.Err() == nil && !away(err) {
			e.log.WarnContext(ctx, "containerd's events cannot be read; trying again", "err", clean(err))
		}
		_ = bell.Sleep(ctx, resubscribeDelay) // the loop looks whether ctx has ended
	}
	return ctx.Err()
}

// listen looks at all tasks once events are heard, and then at those that events
// name, until the subscription ends.
func (e *Engine) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var filters []string
	for _, topic := range topics {
		filters = append(filters, fmt.Sprintf("namespace==%q,topic==%q", e.config.Namespace, topic))
	}
	heard, ended := e.client.EventService().Subscribe(ctx, filters...)
	if err := e.hearing(ctx, heard, ended); err != nil {
		return err
	}
	if err := e.lookAtAll(ctx); err != nil {
		return err
	}
	for {
		select {
		case envelope := <-heard:
			if err := e.look(ctx, subject(envelope)); err != nil {
				return err
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// hearing returns once an event of ours has come back: a subscription begins some
// time after it was asked for. What else is heard until then the look at all sees.
func (e *Engine) hearing(ctx context.Context, heard <-chan *events.Envelope, ended <-chan error) error {
	token := rand.Text()
	for {
		if err := e.client.EventService().Publish(ctx, topicMark, &eventsapi.NamespaceUpdate{Name: token}); err != nil {
			return err
		}
		for patience := time.After(markPause); patience != nil; {
			select {
			case envelope := <-heard:
				if envelope.Topic == topicMark && subject(envelope) == token {
					return nil
				}
			case <-patience:
				patience = nil
			case err := <-ended:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// subject is what an event is about, "" if that is nothing of ours.
func subject(envelope *events.Envelope) string {
	event, err := typeurl.UnmarshalAny(envelope.Event)
	if err != nil {
		return ""
	}
	switch event := event.(type) {
	case *eventsapi.TaskPaused:
		return event.ContainerID
	case *eventsapi.ContainerUpdate:
		return event.ID
	case *eventsapi.ContainerDelete:
		return event.ID
	case *eventsapi.SnapshotRemove:
		return event.Key
	case *eventsapi.NamespaceUpdate:
		return event.Name
	}
	return ""
}

func (e *Engine) lookAtAll(ctx context.Context) error {
	records, err := e.records(ctx, fmt.Sprintf("labels.%q", labelTask))
	if err != nil {
		return err
	}
	ids := slices.Collect(maps.Keys(e.watched.all()))
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if err := e.look(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// look finds out whether a container is as we made it. One that is neither waited
// for nor has our label is none of our business.
func (e *Engine) look(ctx context.Context, id string) error {
	record, err := e.client.ContainerService().Get(ctx, id)
	waited := e.watched.has(id)
	switch {
	case gone(err) && waited:
		e.watched.tell(id, errDeleted)
		return nil
	case gone(err):
		return nil
	case err != nil:
		return err
	case record.Labels[labelTask] == "" && !waited:
		return nil
	}
	running, err := e.process(ctx, id)
	if isGone(err) || errors.Is(err, errMute) {
		return nil // half made, or Wait is told; or nobody can say
	}
	if err != nil {
		return err
	}
	var found error
	switch running.Status {
	case tasktypes.Status_PAUSED, tasktypes.Status_PAUSING:
		found = tampered("it was paused")
	}
	if record.UpdatedAt.After(record.CreatedAt) && record.Labels[labelSum] != sum(record) {
		found = tampered("its container was changed")
	}
	if _, err := e.client.SnapshotService(e.config.Snapshotter).Stat(ctx, id); gone(err) {
		found = tampered("its file system was removed")
	}
	e.watched.tell(id, found)
	return nil
}

// ownLabels are the labels that Prepare writes.
var ownLabels = []string{labelTask, labelName, labelService, labelStack, labelSignal}

// sum is of all that we write into a record. Labels of others do not matter.
func sum(r containers.Container) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q %q %x", r.ID, r.Image, r.Runtime.Name, r.Snapshotter, r.SnapshotKey, r.Spec.GetValue())
	for _, label := range ownLabels {
		fmt.Fprintf(h, " %q", r.Labels[label])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// watchLimits sees changes of limits.
func (e *Engine) watchLimits(ctx context.Context) {
	for bell.Sleep(ctx, limitsPeriod) == nil {
		for id, task := range e.watched.all() {
			if changed := cgroup.Difference(task.limits, e.host.cgroups.Limits(e.cgroup(id))); changed != "" {
				e.watched.tell(id, tampered("its limits were changed ("+changed+")"))
			}
		}
	}
}

func (e *Engine) limitsFile(id string) string { return filepath.Join(e.dir(id), "limits") }

// keepLimits remembers the limits with which a task was made.
func (e *Engine) keepLimits(id string) error {
	return os.WriteFile(e.limitsFile(id), []byte(e.host.cgroups.Limits(e.cgroup(id))), 0o600)
}

// keptLimits are those of keepLimits, "" if it is being removed, or an older daemon
// made it.
func (e *Engine) keptLimits(id string) string {
	text, _ := os.ReadFile(e.limitsFile(id))
	return string(text)
}

// forgotten reports that there may be a process whose record was deleted.
func (e *Engine) forgotten(ctx context.Context, id string) (bool, error) {
	if !e.host.cgroups.Exists(e.cgroup(id)) {
		return false, nil
	}
	_, err := e.client.ContainerService().Get(ctx, id)
	if gone(err) {
		return true, nil
	}
	return false, err
}

// adopt writes a record for a process whose record was deleted, so that containerd
// obeys us about it again. It reports whether there may be such a process.
func (e *Engine) adopt(ctx context.Context, id string) (bool, error) {
	if forgotten, err := e.forgotten(ctx, id); !forgotten {
		return false, err
	}
	runc, err := typeurl.MarshalAny(&options.Options{Root: e.config.RuncRoot})
	if err != nil {
		return false, err
	}
	_, err = e.client.ContainerService().Create(ctx, containers.Container{
		ID: id, Labels: map[string]string{labelTask: id}, Spec: runc, // nobody reads its spec any more
		Runtime: containers.RuntimeInfo{Name: runtimeName, Options: runc},
	})
	return err == nil, err
}

// resume lets a paused process hear its stop signal.
func (e *Engine) resume(ctx context.Context, id string) error {
	_, err := e.tasks.Resume(ctx, &tasksapi.ResumeTaskRequest{ContainerID: id})
	if err != nil && !gone(err) {
		return failure(ctx, "resume task "+id, err)
	}
	return nil
}

// tamperedWith is why a wait was cut short, nil if it was not.
func tamperedWith(ctx context.Context) error {
	var t tampered
	if errors.As(context.Cause(ctx), &t) {
		return t
	}
	return nil
}
