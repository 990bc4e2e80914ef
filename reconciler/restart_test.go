package reconciler

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// happened lists the events of a type: what, of what, and why.
func (m *Manager) happened(kind specs.EventType) []string {
	var lines []string
	for position := uint64(0); ; {
		events, next, _, _ := m.events.After(position)
		if len(events) == 0 {
			return lines
		}
		for position = next; len(events) > 0; events = events[1:] {
			if e := events[0]; e.Type == kind {
				lines = append(lines, strings.TrimSpace(e.Action+" "+e.Name+" "+e.Message))
			}
		}
	}
}

func (m *Manager) taskSpecOf(t testing.TB, service string) specs.TaskSpec {
	t.Helper()
	svc, _ := m.store.Snapshot().ServiceNamed(service)
	spec, known := m.store.Snapshot().TaskSpec(svc.Spec.Task)
	if !known {
		t.Fatalf("no service %s", service)
	}
	return spec
}

func TestRestart(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		digest, away := "sha256:1", error(nil)
		m.cfg.Lookup = func(context.Context, string, specs.Login) (string, error) { return digest, away }
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err != nil {
			t.Fatal(err)
		}
		web, _ := m.store.Snapshot().ServiceNamed("shop_web")
		digest = "sha256:2" // the tag moves
		later(time.Second)

		if err := m.Restart(t.Context(), web.ID, false); err != nil {
			t.Fatal(err)
		}
		if spec := m.taskSpecOf(t, "shop_web"); spec.Image != "demo/web:1.0@sha256:1" || spec.Restarts != 1 {
			t.Errorf("restarted as it is: %s, %d", spec.Image, spec.Restarts)
		}
		later(time.Second)
		if err := m.Restart(t.Context(), web.ID, true); err != nil {
			t.Fatal(err)
		}
		away = errors.New("the registry is away")
		if err := m.Restart(t.Context(), web.ID, true); err == nil || !strings.Contains(err.Error(), "restart shop_web --pull: demo/web:1.0: the registry is away: nothing was restarted") {
			t.Errorf("a pull that finds nothing: %v", err)
		}
		if spec := m.taskSpecOf(t, "shop_web"); spec.Image != "demo/web:1.0@sha256:2" || spec.Restarts != 2 {
			t.Errorf("restarted with another pull: %s, %d", spec.Image, spec.Restarts)
		}
		later(time.Second)
		svc, _ := m.store.Snapshot().ServiceNamed("shop_web")
		if _, err := m.pushed(t, pushOf(1, 2, tree(shop))); err != nil {
			t.Fatal(err)
		}
		if now, _ := m.store.Snapshot().ServiceNamed("shop_web"); now.SpecVersion != svc.SpecVersion {
			t.Error("the next push touched the service")
		}
		again := "updating shop_web " + specs.ReasonRestarted
		if got, want := m.happened(specs.EventService), []string{"created shop_web", "updating shop_web", again, again}; !slices.Equal(got, want) {
			t.Errorf("it is told as %q, want %q", got, want)
		}
	})
}

func TestWhatCannotBeRestarted(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		seed(t, m, 1)
		svc, _ := m.store.Snapshot().Service("web")
		for _, c := range []struct {
			id, words string
			pull      bool
			kind      wire.Kind
		}{
			{"nobody", "removed meanwhile", false, wire.NotFound},
			{"web", "the service has no image", true, wire.Unavailable},
			{"web", "it is being removed", false, wire.InvalidArgument},
		} {
			if c.words == "it is being removed" {
				m.write(t, specs.Change{Spec: specs.Set("web", svc.SpecVersion, specs.ServiceWant{Spec: svc.Spec, Removed: true})})
			}
			err := m.Restart(t.Context(), c.id, c.pull)
			if err == nil || wire.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%s, pull %t: %v", c.id, c.pull, err)
			}
		}
	})
}

func TestARolloutIsFollowed(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		_, spec := seed(t, m, 1)
		m.write(t, specs.Change{Task: specs.Insert("t1", taskOf("t1", 1, spec, specs.StatePreparing))})
		var told []string
		ended := make(chan specs.Rollout, 1)
		go func() {
			rollout, err := m.FollowRollout(t.Context(), "web", func(line string) error {
				told = append(told, line)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			ended <- rollout
		}()
		later(time.Second)
		m.see(t, "t1", specs.TaskSeen{State: specs.StateRunning})
		later(time.Second)
		svc, _ := m.store.Snapshot().Service("web")
		m.write(t, specs.Change{Rollout: specs.Set("web", svc.RolloutVersion, specs.Rollout{
			State: specs.RolloutPaused, Target: spec, Message: "shop_web.1 failed: exit code 1", Started: m.raft.Now(), Ended: m.raft.Now(),
		})})
		rollout := <-ended
		want := "  shop_web  --------------------  0/1  .1 preparing on worker7|  shop_web  ####################  1/1  1.0s|" +
			"  shop_web  ####################  1/1  paused: shop_web.1 failed: exit code 1|" +
			"paused: shop_web: shop_web.1 failed: exit code 1. The other tasks go on; a push or another restart resumes it."
		if got := strings.Join(told, "|"); got != want || rollout.State != specs.RolloutPaused {
			t.Errorf("%s, told:\n%s\nwant:\n%s", rollout.State, got, want)
		}
	})
}

// Each manager finds the events in what it applies, so that the next leader tells
// them too; what a source fails at, its leader alone knows.
func TestEventsOfAManager(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		ill := &elsewhere{tip: commit(2), files: tree(shop)}
		m.follows(t, map[string]*elsewhere{"ill": ill})
		ill.fail(errors.New("no route to host"))
		later(10 * time.Minute)
		ill.fail(nil)
		later(time.Hour)
		for kind, want := range map[specs.EventType][]string{
			specs.EventLeader:   {"elected n1"},
			specs.EventSource:   {"added ill file:///srv/ill", "failing ill no route to host", "recovered ill"},
			specs.EventRevision: {`applied ill 0000002 "one" by ana, 1 of 1 stacks changed`},
		} {
			if got := m.happened(kind); !slices.Equal(got[:min(len(got), len(want))], want) {
				t.Errorf("%s: %q, want %q", kind, got, want)
			}
		}
	})
}
