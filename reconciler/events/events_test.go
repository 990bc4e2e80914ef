package events

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// at is so many seconds after noon.
func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// lines writes events with the seconds after noon.
func lines(events []specs.Event) []string {
	text := []string{}
	for _, e := range events {
		line := fmt.Sprintf("%d %s %s %s", e.Time.Sub(noon)/time.Second, e.Type, e.Action, e.Name)
		if e.Type == specs.EventTask && e.Node != "" {
			line += " on " + e.Node
		}
		if e.Message != "" {
			line += ": " + e.Message
		}
		text = append(text, line)
	}
	return text
}

// day is a store that is changed by hand, and how that is told.
type day struct {
	*testing.T
	store  *store.Store
	feed   *store.Feed
	before store.Snapshot
	index  uint64
}

func newDay(t *testing.T) *day {
	d := &day{T: t, store: store.New()}
	d.feed = d.store.Subscribe()
	d.before, _ = d.feed.Take()
	return d
}

// tells applies changes, so many seconds after noon, and wants these events.
func (d *day) tells(seconds int, want []string, changes ...specs.Change) {
	d.Helper()
	d.index++
	if errs := d.store.Apply(d.index, []specs.Transaction{changes}); errs[0] != nil {
		d.Fatalf("at %d: %v", seconds, errs[0])
	}
	after, touched := d.feed.Take()
	if got := lines(Between(d.before, after, touched, at(seconds))); !slices.Equal(got, want) {
		d.Errorf("at %d: got %q, want %q", seconds, got, want)
	}
	d.before = after
}

func (d *day) service() specs.Service { svc, _ := d.before.Service("web"); return svc }
func (d *day) task() specs.Task       { task, _ := d.before.Task("t1"); return task }
func (d *day) node() specs.Node       { node, _ := d.before.Node("n2"); return node }

func (d *day) spec(want specs.ServiceWant) specs.Change {
	return specs.Change{Spec: specs.Set("web", d.service().SpecVersion, want)}
}

func (d *day) rollout(r specs.Rollout) specs.Change {
	return specs.Change{Rollout: specs.Set("web", d.service().RolloutVersion, r)}
}

func (d *day) want(w specs.TaskWant) specs.Change {
	return specs.Change{TaskWant: specs.Set("t1", d.task().WantVersion, w)}
}

func (d *day) seen(s specs.TaskSeen) specs.Change {
	return specs.Change{TaskSeen: specs.Set("t1", d.task().SeenVersion, s)}
}

func (d *day) nodeSpec(role specs.Role, a specs.Availability) specs.Change {
	return specs.Change{NodeSpec: specs.Set("n2", d.node().SpecVersion, specs.NodeSpec{Role: role, Availability: a})}
}

func (d *day) nodeIs(status specs.NodeStatus, since int) specs.Change {
	return specs.Change{NodeSeen: specs.Set("n2", d.node().SeenVersion, specs.NodeSeen{
		Status: status, Since: at(since), Description: specs.NodeDescription{Hostname: "worker2"},
	})}
}

func (d *day) source(suspended bool) specs.Change {
	row, _ := d.before.Source("infra")
	return specs.Change{Source: specs.Set("infra", row.Version, specs.Source{
		Name: "infra", URL: "https://forge/infra", Added: at(7), Suspended: suspended,
	})}
}

const infraCommit = "7bd31c2000000000000000000000000000000000"

func infraRevision(id string, created int, rewritten bool, state specs.RevisionState, reason string) specs.Change {
	return specs.Change{Revision: specs.Insert(id, specs.Revision{
		ID: id, Source: "infra", Commit: infraCommit, Author: "ana", Subject: "web: 1", Created: at(created), Stacks: 2,
		Changed: []string{"shop"}, Rewritten: rewritten, Progress: specs.RevisionProgress{State: state, Since: at(created), Reason: reason},
	})}
}

func secretTLS(created int) specs.Change {
	return specs.Change{External: specs.Insert("secret/tls", specs.External{
		ID: "secret/tls", Kind: specs.Secret, Name: "tls", Payload: "p", Created: at(created),
	})}
}

// A day of a small cluster, change by change.
func TestBetween(t *testing.T) {
	d := newDay(t)
	one, two := specs.TaskSpec{Image: "web:1"}, specs.TaskSpec{Image: "web:1", Restarts: 1}
	first, second := encoding.HashTaskSpec(one), encoding.HashTaskSpec(two)
	rules := specs.ServiceSpec{Name: "shop_web", Stack: "shop", Task: first}

	d.tells(5, []string{"4 node joined n2: as worker"},
		specs.Change{Node: specs.Insert("n2", specs.Node{ID: "n2", Created: at(4), Spec: specs.NodeSpec{Role: specs.Worker}})})
	d.tells(6, []string{"6 node ready worker2"}, d.nodeIs(specs.NodeReady, 6))
	d.tells(7, []string{"7 source added infra: https://forge/infra"}, d.source(false))
	d.tells(8, []string{"8 revision awaiting-approval infra 7bd31c2: removes much"},
		infraRevision("1", 8, false, specs.RevisionAwaiting, "removes much"))
	waiting, _ := d.before.Revision("1")
	d.tells(9, []string{
		`9 revision approved infra 7bd31c2: "web: 1" by ana, 1 of 2 stacks changed; the history was rewritten`,
		"9 service created shop_web",
	}, specs.Change{Revision: specs.Remove[specs.Revision]("1", waiting.ProgressVersion)},
		infraRevision("2", 9, true, specs.RevisionRollingOut, ""), specs.Change{TaskSpec: &one},
		specs.Change{Service: specs.Insert("web", specs.Service{ID: "web", Created: at(9), Spec: rules})})
	d.tells(10, []string{"10 task pending shop_web.1: no suitable node"}, specs.Change{Task: specs.Insert("t1", specs.Task{
		ID: "t1", ServiceID: "web", ServiceName: "shop_web", Slot: 1, Spec: first,
		Want: specs.TaskWant{Desired: specs.StateReady, Reason: "no suitable node", Since: at(10)},
	})})
	d.tells(11, []string{"11 service updating shop_web"},
		d.rollout(specs.Rollout{State: specs.RolloutUpdating, Target: first, Started: at(11)}))
	d.tells(12, nil, d.want(specs.TaskWant{Desired: specs.StateRunning, Node: "n2", Since: at(12)}))
	d.tells(14, []string{"13 task running shop_web.1 on worker2"},
		d.seen(specs.TaskSeen{State: specs.StateRunning, Since: at(13), Running: at(13)}))
	d.tells(15, nil, d.seen(specs.TaskSeen{State: specs.StateRunning, Since: at(13), Running: at(13), PID: 7}))
	d.tells(19, []string{"19 service completed shop_web"},
		d.rollout(specs.Rollout{State: specs.RolloutCompleted, Target: first, Completed: first, Started: at(11), Ended: at(19)}))
	rolling, _ := d.before.Revision("2")
	d.tells(20, []string{"20 revision healthy infra 7bd31c2"}, specs.Change{RevisionProgress: specs.Set("2", rolling.ProgressVersion,
		specs.RevisionProgress{State: specs.RevisionHealthy, Since: at(20)})})

	rules.Task = second
	d.tells(21, []string{
		"21 service updating shop_web: restarted by an operator",
		"21 task stopping shop_web.1 on worker2: restarted by an operator",
	}, specs.Change{TaskSpec: &two}, d.spec(specs.ServiceWant{Spec: rules}),
		d.rollout(specs.Rollout{State: specs.RolloutUpdating, Target: second, Completed: first, Started: at(21)}),
		d.want(specs.TaskWant{Desired: specs.StateShutdown, Node: "n2", Reason: specs.ReasonRestarted, Since: at(21)}))
	d.tells(23, []string{"22 task failed shop_web.1 on worker2: exit code 3"},
		d.seen(specs.TaskSeen{State: specs.StateFailed, Since: at(22), Running: at(13), Exit: &specs.Exit{Code: 3}}))
	d.tells(24, []string{"24 service paused shop_web: it failed"},
		d.rollout(specs.Rollout{State: specs.RolloutPaused, Target: second, Started: at(21), Ended: at(24), Message: "it failed"}))

	d.tells(30, []string{"30 node promoted worker2"}, d.nodeSpec(specs.Manager, ""))
	d.tells(31, []string{"31 node demoted worker2", "31 node drain worker2"}, d.nodeSpec(specs.Worker, specs.Drain))
	d.tells(32, []string{"32 node down worker2"}, d.nodeIs(specs.NodeDown, 32))
	d.tells(33, []string{"33 source suspended infra"}, d.source(true))
	d.tells(34, []string{"34 secret created tls"}, specs.Change{Payload: &specs.Payload{Version: "p", Kind: specs.Secret}}, secretTLS(34))
	secret, _ := d.before.External(specs.Secret, "tls")
	d.tells(35, []string{"35 secret removed tls"}, specs.Change{External: specs.Remove[specs.External]("secret/tls", secret.Version)})
	d.tells(36, []string{"36 node removed worker2"}, specs.Change{Node: specs.Remove[specs.Node]("n2", d.node().SpecVersion)})
	d.tells(37, []string{"37 service removing shop_web"}, d.spec(specs.ServiceWant{Spec: rules, Removed: true}))
	d.tells(38, []string{"38 service removed shop_web"}, specs.Change{Task: specs.Remove[specs.Task]("t1", d.task().WantVersion)},
		specs.Change{Service: specs.Remove[specs.Service]("web", d.service().SpecVersion)})

	// A manager that starts now knows what rows still say.
	if diff := cmp.Diff([]string{
		"7 source added infra: https://forge/infra",
		`9 revision applied infra 7bd31c2: "web: 1" by ana, 1 of 2 stacks changed; the history was rewritten`,
		"20 revision healthy infra 7bd31c2",
	}, lines(Between(store.New().Snapshot(), d.before, store.Touched{All: true}, at(40)))); diff != "" {
		t.Errorf("from nothing (-want +got):\n%s", diff)
	}
}
