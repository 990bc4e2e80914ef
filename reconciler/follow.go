package reconciler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/converge"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Wait tells the progress of a revision, named by its commit or the beginning
// of it, or of the newest one, until it has ended or awaits approval. A revision
// that another of its source followed before it was healthy hands over to that
// one: what runs is its.
func (m *Manager) Wait(ctx context.Context, rev string, line func(string) error) (specs.Revision, error) {
	found, err := findRevision(m.store.Snapshot(), rev)
	if err != nil {
		return specs.Revision{}, err
	}
	for followed := false; ; followed = true { // a followed one has said that it was overtaken
		if newest, ok := newestOf(m.store.Snapshot(), found.Source); ok && overtaken(found, newest) {
			if !followed {
				if err := line(fmt.Sprintf("superseded: %s came after %s", git.Short(newest.Commit), git.Short(found.Commit))); err != nil {
					return found, err
				}
			}
			found = newest
		}
		ended, err := m.follow(ctx, found.ID, line)
		if err != nil || ended.Progress.State != specs.RevisionSuperseded {
			return ended, err
		}
		found = ended
	}
}

// overtaken reports that nothing will become of rev any more, because of the
// newest revision.
func overtaken(rev, newest specs.Revision) bool {
	switch rev.Progress.State {
	case specs.RevisionPaused, specs.RevisionSuperseded:
		return rev.ID < newest.ID
	}
	return false
}

// findRevision is the newest revision of a commit whose hash begins with rev;
// without one, the newest of the cluster's own remote that was not refused, or of
// all sources if nothing was pushed.
func findRevision(snap store.Snapshot, rev string) (specs.Revision, error) {
	if found, ok := newestOf(snap, specs.MainSource); ok && rev == "" {
		return found, nil
	}
	var found specs.Revision
	for r := range snap.Revisions() {
		if rev == "" && r.Progress.State != specs.RevisionRefused || rev != "" && strings.HasPrefix(r.Commit, rev) {
			found = r
		}
	}
	switch {
	case found.ID != "":
		return found, nil
	case rev == "":
		return found, wire.Errorf(wire.NotFound, `nothing was pushed yet: see "swarmgit git-url"`)
	}
	return found, wire.Errorf(wire.NotFound, "the cluster has seen no commit %s: see \"swarmgit revisions\"", rev)
}

// newestOf is the newest revision of a source that was not refused.
func newestOf(snap store.Snapshot, source string) (specs.Revision, bool) {
	var newest specs.Revision
	for r := range snap.Revisions() {
		if r.Source == source && r.Progress.State != specs.RevisionRefused {
			newest = r
		}
	}
	return newest, newest.ID != ""
}

// follow tells how a revision's services get on, line by line as that changes,
// until the revision has ended.
func (m *Manager) follow(ctx context.Context, id string, line func(string) error) (specs.Revision, error) {
	told := make(map[string]progress)
	for first := true; ; first = false {
		snap, changed := m.store.Watch()
		rev, ok := snap.Revision(id)
		if !ok {
			return rev, wire.Errorf(wire.NotFound, "the revision was forgotten: more than %d came after it", keptRevisions)
		}
		now, ended := m.raft.Now(), rev.Progress.State.Ended() || rev.Progress.State == specs.RevisionAwaiting
		if first && ended { // what runs now says nothing of it
			return rev, each(verdict(snap, rev, false), line)
		}
		held, err := tell(progressOf(snap, rev, now), told, ended, rev.Created, line)
		if err != nil {
			return rev, err
		}
		if ended {
			return rev, each(verdict(snap, rev, causeTold(told)), line)
		}
		select {
		case <-changed:
		case <-afterQuiet(held):
		case <-ctx.Done():
			return rev, ctx.Err()
		}
	}
}

// tell writes a line for each service whose progress is news after what was told,
// and notes it there. held: something was not worth a line yet.
func tell(all []progress, told map[string]progress, ended bool, since time.Time, line func(string) error) (held bool, err error) {
	for _, p := range all {
		if last, known := told[p.service]; known && !p.news(last, ended) {
			held = held || p.stirred(last)
			continue
		}
		told[p.service] = p
		if err := line(p.text(p.at.Sub(since))); err != nil {
			return held, err
		}
	}
	return held, nil
}

// afterQuiet fires when what was held back may be told: nothing else may ever
// change, and a line that says why is then the last.
func afterQuiet(held bool) <-chan time.Time {
	if !held {
		return nil
	}
	return time.After(quiet)
}

func each(lines []string, line func(string) error) error {
	for _, l := range lines {
		if err := line(l); err != nil {
			return err
		}
	}
	return nil
}

// progress is how far one service of a revision has got.
type progress struct {
	at      time.Time
	service string
	done    int // tasks of the new spec that run
	wanted  int // of a removed service: 0
	left    int // tasks of a removed service that have not stopped
	removed bool
	doing   string // what the first unfinished slot does
	paused  string // why the rollout does not go on
}

// progressOf looks at the services of the stacks that the revision changed.
func progressOf(snap store.Snapshot, rev specs.Revision, now time.Time) []progress {
	var all []progress
	for _, stack := range rev.Changed {
		for svc := range snap.ServicesOf(stack) {
			all = append(all, serviceProgress(snap, svc, now))
		}
	}
	return all
}

func serviceProgress(snap store.Snapshot, svc specs.Service, now time.Time) progress {
	p := progress{at: now, service: svc.Spec.Name, removed: svc.Removed, wanted: int(converge.Wanted(snap, svc))}
	if svc.Rollout.State == specs.RolloutPaused {
		p.paused = cmp.Or(svc.Rollout.Message, "paused")
	}
	for task := range snap.TasksOf(svc.ID) {
		switch {
		case svc.Removed:
			p.left++
		case task.Spec == svc.Spec.Task && converge.Runs(snap, &task):
			p.done++
		case task.Wanted() && task.Spec == svc.Spec.Task && p.doing == "" && task.State() != specs.StateRunning:
			p.doing = doing(snap, task)
		}
	}
	return p
}

// doing is ".2 preparing on n1, pull 41%", and of a global service "preparing on
// n1".
func doing(snap store.Snapshot, task specs.Task) string {
	text := task.State().String()
	if task.SlotNode == "" {
		text = fmt.Sprintf(".%d %s", task.Slot, text)
	}
	if node := task.Node(); node != "" {
		text += " on " + snap.NodeName(node)
	}
	for _, more := range []string{task.Want.Reason, task.Seen.Message} {
		if more != "" {
			text += ", " + more
		}
	}
	return text
}

// quiet is how long a service's line stays as it is while only what its tasks
// are doing changes, so that the percentages of a pull do not fill a terminal.
const quiet = 2 * time.Second

// news reports whether the progress is worth a line after the last that was
// told.
func (p progress) news(last progress, ended bool) bool {
	if p.done != last.done || p.wanted != last.wanted || p.removed != last.removed || p.paused != last.paused {
		return true
	}
	return p.stirred(last) && (ended || p.at.Sub(last.at) >= quiet)
}

// stirred reports whether something goes on that was not told, counts aside.
func (p progress) stirred(last progress) bool { return p.left != last.left || p.doing != last.doing }

// barWidth is the width of a service's bar.
const barWidth = 20

// text is what people see of a service: a bar, the count, and what goes on.
func (p progress) text(took time.Duration) string {
	if p.removed {
		return fmt.Sprintf("  %s  removing, %s left", p.service, plural(p.left, "task"))
	}
	filled := barWidth
	if p.wanted > 0 {
		filled = barWidth * min(p.done, p.wanted) / p.wanted
	}
	head := fmt.Sprintf("  %s  %s%s  %d/%d  ", p.service, strings.Repeat("#", filled), strings.Repeat("-", barWidth-filled), p.done, p.wanted)
	switch {
	case p.paused != "":
		return head + "paused: " + p.paused
	case p.done >= p.wanted:
		return head + seconds(took)
	}
	return strings.TrimRight(head+p.doing, " ")
}

// causeTold reports whether somebody has read why a rollout does not go on.
func causeTold(told map[string]progress) bool {
	for _, p := range told {
		if p.paused != "" {
			return true
		}
	}
	return false
}

// verdict is how a revision ended and what to do next; why it paused is left
// out if that was told.
func verdict(snap store.Snapshot, rev specs.Revision, causeTold bool) []string {
	short := git.Short(rev.Commit)
	switch rev.Progress.State {
	case specs.RevisionHealthy:
		return []string{fmt.Sprintf("healthy: %s after %s", short, seconds(rev.Progress.Since.Sub(rev.Created)))}
	case specs.RevisionPaused:
		var lines []string
		if !causeTold {
			lines = append(lines, "  "+rev.Progress.Reason)
		}
		services, fresh, old := stillRunning(snap)
		lines = append(lines,
			fmt.Sprintf("paused: %s. Still running: %d new, %d old tasks.", short, fresh, old),
			wayOut(rev.Source, short),
		)
		if len(services) > 0 {
			lines = append(lines, "If its cause was not in Git and is gone: swarmgit service restart "+strings.Join(services, " && swarmgit service restart "))
		}
		return lines
	case specs.RevisionSuperseded:
		return []string{fmt.Sprintf("superseded: another commit came after %s", short)}
	case specs.RevisionAwaiting:
		return []string{fmt.Sprintf("awaiting approval: %s: %s %s", short, rev.Progress.Reason, short)}
	}
	return []string{strings.TrimSpace(fmt.Sprintf("%s: %s %s", rev.Progress.State, short, rev.Progress.Reason))}
}

// wayOut is what to do about a paused revision, where its commits come from.
func wayOut(source, short string) string {
	if source == specs.MainSource {
		return "Fix it with another push, or undo it with one: git revert " + short
	}
	return "Fix it with another commit of the source " + source + "."
}

// stillRunning are the services whose rollout paused, and how many of their tasks go
// on running: those of the new spec and those of older ones.
func stillRunning(snap store.Snapshot) (services []string, fresh, old int) {
	for svc := range snap.Services() {
		if svc.Rollout.State != specs.RolloutPaused {
			continue
		}
		services = append(services, svc.Spec.Name)
		for task := range snap.TasksOf(svc.ID) {
			switch {
			case !converge.Runs(snap, &task):
			case task.Spec == svc.Spec.Task:
				fresh++
			default:
				old++
			}
		}
	}
	slices.Sort(services)
	return services, fresh, old
}
