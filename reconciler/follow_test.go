package reconciler

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

func TestProgressText(t *testing.T) {
	for _, c := range []struct {
		p    progress
		took time.Duration
		want string
	}{
		{progress{service: "shop_web", done: 3, wanted: 5, doing: ".2 preparing on n1, pull 41%"}, time.Second,
			"  shop_web  ############--------  3/5  .2 preparing on n1, pull 41%"},
		{progress{service: "shop_web", done: 5, wanted: 5}, 8200 * time.Millisecond,
			"  shop_web  ####################  5/5  8.2s"},
		{progress{service: "shop_web", done: 1, wanted: 5, paused: "shop_web.2 rejected: no such image"}, time.Second,
			"  shop_web  ####----------------  1/5  paused: shop_web.2 rejected: no such image"},
		{progress{service: "shop_web", done: 6, wanted: 5}, 2*time.Minute + 10*time.Second,
			"  shop_web  ####################  6/5  2m10s"},
		{progress{service: "shop_web", done: 1, wanted: 2}, time.Second, "  shop_web  ##########----------  1/2"},
		{progress{service: "shop_web"}, 0, "  shop_web  ####################  0/0  0.0s"},
		{progress{service: "old_cron", removed: true, left: 2}, time.Second, "  old_cron  removing, 2 tasks left"},
		{progress{service: "old_cron", removed: true, left: 1}, time.Second, "  old_cron  removing, 1 task left"},
	} {
		if got := c.p.text(c.took); got != c.want {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		state  specs.RevisionState
		reason string
		want   string
	}{
		{specs.RevisionHealthy, "", "healthy: 0000001 after 8.4s"},
		{specs.RevisionPaused, "shop_web.2 rejected", "  shop_web.2 rejected\npaused: 0000001. Still running: 0 new, 0 old tasks.\n" +
			"Fix it with another push, or undo it with one: git revert 0000001"},
		{specs.RevisionSuperseded, "", "superseded: another commit came after 0000001"},
		{specs.RevisionFailed, "shop_web ends again and again", "failed: 0000001 shop_web ends again and again"},
		{specs.RevisionRefused, "stack.yml:1:2: wrong", "refused: 0000001 stack.yml:1:2: wrong"},
	} {
		rev := specs.Revision{Source: specs.MainSource, Commit: commit(1), Created: at, Progress: specs.RevisionProgress{
			State: c.state, Reason: c.reason, Since: at.Add(8400 * time.Millisecond),
		}}
		if got := strings.Join(verdict(store.New().Snapshot(), rev, false), "\n"); got != c.want {
			t.Errorf("%s: got %q", c.state, got)
		}
	}
}

// watch follows the seeded revision and returns what was told and how it ended.
func watch(t *testing.T, m *Manager, ctx context.Context) (told *strings.Builder, ended chan error) {
	t.Helper()
	told, ended = &strings.Builder{}, make(chan error, 1)
	go func() {
		_, err := m.follow(ctx, "r1", func(line string) error {
			told.WriteString(line + "\n")
			return nil
		})
		ended <- err
	}()
	synctest.Wait()
	return told, ended
}

func TestFollowTellsARollout(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		_, spec := seed(t, m, 2)
		m.write(t, specs.Change{Task: specs.Insert("t1", taskOf("t1", 1, spec, specs.StatePreparing))})
		told, ended := watch(t, m, t.Context())
		later(time.Second)
		m.see(t, "t1", specs.TaskSeen{State: specs.StatePreparing, Message: "pull 11%"}) // too soon for a line
		later(500 * time.Millisecond)
		m.see(t, "t1", specs.TaskSeen{State: specs.StatePreparing, Message: "pull 41%"})
		later(2500 * time.Millisecond)
		task, _ := m.store.Snapshot().Task("t1")
		m.write(t, specs.Change{TaskSeen: specs.Set("t1", task.SeenVersion, specs.TaskSeen{State: specs.StateRunning})},
			specs.Change{Task: specs.Insert("t2", taskOf("t2", 2, spec, specs.StateStarting))})
		later(4 * time.Second)
		m.see(t, "t2", specs.TaskSeen{State: specs.StateRunning})
		later(400 * time.Millisecond)
		m.progress(t, specs.RevisionHealthy, "")
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		want := `  shop_web  --------------------  0/2  .1 preparing on worker7
  shop_web  --------------------  0/2  .1 preparing on worker7, pull 41%
  shop_web  ##########----------  1/2  .2 starting on worker7
  shop_web  ####################  2/2  8.0s
healthy: 0000001 after 8.4s
`
		if told.String() != want {
			t.Errorf("got:\n%s\nwant:\n%s", told, want)
		}
	})
}

// What the verdict says to run can be run as it stands, for several services too.
func TestVerdictRestartsEachPausedService(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		_, spec := seed(t, m, 3)
		api := specs.Service{ID: "api", Spec: specs.ServiceSpec{Name: "shop_api", Stack: "shop", Task: spec}}
		m.write(t, specs.Change{Service: specs.Insert(api.ID, api)})
		for _, id := range []string{"web", "api"} {
			svc, _ := m.store.Snapshot().Service(id)
			m.write(t, specs.Change{Rollout: specs.Set(id, svc.RolloutVersion, specs.Rollout{State: specs.RolloutPaused})})
		}
		rev := specs.Revision{Source: specs.MainSource, Commit: commit(1), Progress: specs.RevisionProgress{State: specs.RevisionPaused}}
		lines := verdict(m.store.Snapshot(), rev, true)
		want := "If its cause was not in Git and is gone: swarmgit service restart shop_api && swarmgit service restart shop_web"
		if got := lines[len(lines)-1]; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestFollowTellsAPause(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		_, spec := seed(t, m, 3)
		m.write(t, specs.Change{Task: specs.Insert("t1", taskOf("t1", 1, spec, specs.StateRunning))})
		told, ended := watch(t, m, t.Context())
		svc, _ := m.store.Snapshot().Service("web")
		m.write(t, specs.Change{Rollout: specs.Set("web", svc.RolloutVersion,
			specs.Rollout{State: specs.RolloutPaused, Message: "shop_web.2 rejected: no such image"})})
		m.progress(t, specs.RevisionPaused, "shop_web is paused")
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		want := "  shop_web  ######--------------  1/3  paused: shop_web.2 rejected: no such image\n" +
			"paused: 0000001. Still running: 1 new, 1 old tasks.\n" +
			"Fix it with another push, or undo it with one: git revert 0000001\n" +
			"If its cause was not in Git and is gone: swarmgit service restart shop_web\n"
		if !strings.Contains(told.String(), want) {
			t.Errorf("want %q in:\n%s", want, told)
		}
	})
}

// What a slot waits for is told even if nothing happens after it: somebody sits
// before a push that does not go on and has to learn why.
func TestFollowTellsTheLastWordOfAQuietService(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		_, spec := seed(t, m, 2)
		waiting := taskOf("t1", 1, spec, specs.StateNew)
		waiting.Want.Node = ""
		m.write(t, specs.Change{Task: specs.Insert("t1", waiting)})
		ctx, cancel := context.WithCancel(t.Context())
		told, ended := watch(t, m, ctx)
		later(100 * time.Millisecond)
		task, _ := m.store.Snapshot().Task("t1")
		task.Want.Reason = "no suitable node (insufficient memory on 3 nodes)"
		m.write(t, specs.Change{TaskWant: specs.Set("t1", task.WantVersion, task.Want)})
		later(time.Minute)
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Fatal(err)
		}
		if !strings.Contains(told.String(), ".1 pending, no suitable node (insufficient memory on 3 nodes)\n") {
			t.Errorf("the reason was never told:\n%s", told)
		}
	})
}

func TestFollowOfAForgottenRevision(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		seed(t, m, 1)
		_, ended := watch(t, m, t.Context())
		rev, _ := m.store.Snapshot().Revision("r1")
		m.write(t, specs.Change{Revision: specs.Remove[specs.Revision]("r1", rev.ProgressVersion)})
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "more than 200 came after it") {
			t.Errorf("got %v", err)
		}
	})
}
