package reconciler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/planner"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// pushed checks and commits a push.
func (m *Manager) pushed(t *testing.T, p git.Push) (said string, err error) {
	t.Helper()
	var out strings.Builder
	checked, err := m.Check(t.Context(), p, &out)
	if err == nil {
		err = checked.Commit(t.Context())
	}
	return out.String(), err
}

func TestAPushIsOneTransaction(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		before := m.store.Snapshot().Index()
		said, err := m.pushed(t, pushOf(0, 1, tree(shop)))
		if err != nil {
			t.Fatal(err)
		}
		snap := m.store.Snapshot()
		if snap.Index() != before+1 {
			t.Errorf("%d entries", snap.Index()-before)
		}
		if !strings.HasPrefix(said, "1 stack, 1 changed\n\nPlan of 0000001: ") {
			t.Errorf("said:\n%s", said)
		}
		ref, _ := snap.Ref("refs/heads/main")
		svc, ok := snap.ServiceNamed("shop_web")
		stack, _ := snap.Stack("shop")
		rev, _ := snap.Revision("0000000001-0000001")
		if ref.Commit != commit(1) || !ok || stack.Revision != commit(1) || rev.Progress.State != specs.RevisionRollingOut ||
			rev.Author != "ana" || rev.Subject != "push 1" || rev.Stacks != 1 || strings.Join(rev.Changed, " ") != "shop" {
			t.Errorf("ref %+v\nservice %+v\nstack %+v\nrevision %+v", ref, svc, stack, rev)
		}
	})
}

func TestTheSameTreeAgainChangesNoService(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err != nil {
			t.Fatal(err)
		}
		before, _ := m.store.Snapshot().ServiceNamed("shop_web")
		said, err := m.pushed(t, pushOf(1, 2, tree(shop)))
		after, _ := m.store.Snapshot().ServiceNamed("shop_web")
		if err != nil || after.SpecVersion != before.SpecVersion || !strings.Contains(said, "1 stack, 0 changed") {
			t.Errorf("version %d to %d, %v:\n%s", before.SpecVersion, after.SpecVersion, err, said)
		}
	})
}

func TestAnotherBranchIsKeptAndChangesNothing(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err != nil {
			t.Fatal(err)
		}
		review := pushOf(0, 2, tree(strings.ReplaceAll(shop, "1.0", "2.0")))
		review.Ref, review.Followed = "refs/heads/review", false
		said, err := m.pushed(t, review)
		if err != nil || !strings.Contains(said, "Plan of review over main 0000001: ") {
			t.Errorf("%v:\n%s", err, said)
		}
		if refs := m.Refs(); refs["refs/heads/review"] != commit(2) || refs["refs/heads/main"] != commit(1) {
			t.Errorf("refs %v", refs)
		}
		for rev := range m.store.Snapshot().Revisions() {
			if rev.Commit == commit(2) {
				t.Errorf("it is a revision: %+v", rev)
			}
		}
		kept, _ := m.store.Snapshot().Review("review")
		if kept.Commit != commit(2) || kept.Base != commit(1) || kept.Subject != "push 2" || kept.Verdict != string(planner.NeedsAttention) ||
			!strings.Contains(string(kept.Plan), "shop_web") {
			t.Errorf("its plan is kept as %+v: %s", kept, kept.Plan)
		}
		again := pushOf(2, 3, tree(shop))
		again.Ref, again.Followed = "refs/heads/review", false
		if _, err := m.pushed(t, again); err != nil {
			t.Error(err)
		}
		if kept, _ := m.store.Snapshot().Review("review"); kept.Commit != commit(3) || kept.Verdict != string(planner.NoChanges) {
			t.Errorf("its next plan is kept as %+v", kept)
		}
		gone := git.Push{Ref: "refs/heads/review", Old: commit(3)}
		if _, err := m.pushed(t, gone); err != nil || len(m.Refs()) != 1 {
			t.Errorf("deletion: %v, refs %v", err, m.Refs())
		}
		if kept, there := m.store.Snapshot().Review("review"); there {
			t.Errorf("the plan of a deleted branch: %+v", kept)
		}
	})
}

func TestReviewsAreNotKeptWithoutEnd(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		for i := range keptReviews + 3 {
			p := pushOf(0, i+1, tree(shop))
			p.Ref, p.Followed = fmt.Sprintf("refs/heads/review/%d", i), false
			if _, err := m.pushed(t, p); err != nil {
				t.Fatal(err)
			}
			later(time.Second)
		}
		count := 0
		for range m.store.Snapshot().Reviews() {
			count++
		}
		_, first := m.store.Snapshot().Review("review/2")
		_, second := m.store.Snapshot().Review("review/3")
		if count != keptReviews || first || !second {
			t.Errorf("%d are kept; the third: %v, the fourth: %v", count, first, second)
		}
	})
}

func TestARefusedPushSaysAllAndChangesNothing(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err != nil {
			t.Fatal(err)
		}
		digest := func() string {
			svc, _ := m.store.Snapshot().ServiceNamed("shop_web")
			return fmt.Sprint(m.Refs(), svc)
		}
		before := digest()
		said, err := m.pushed(t, pushOf(1, 2, tree(shop+"    deploy:\n      replicas: fife\n      update_confg: {}\n")))
		if err == nil || err.Error() != "2 problems" {
			t.Errorf("git shows %v", err)
		}
		for _, want := range []string{"stacks/shop/stack.yml:5:17: services.web.deploy.replicas:\n  ", "stacks/shop/stack.yml:6:7: services.web.deploy.update_confg:\n  "} {
			if !strings.Contains(said, want) {
				t.Errorf("want %q in:\n%s", want, said)
			}
		}
		if strings.Contains(said, "accept-partial") {
			t.Errorf("a mistake cannot be accepted:\n%s", said)
		}
		if digest() != before {
			t.Error("something changed")
		}
		rev, _ := m.store.Snapshot().Revision("0000000002-0000002")
		if rev.Progress.State != specs.RevisionRefused || len(rev.Problems) != 2 || rev.Progress.Reason != rev.Problems[0].String() {
			t.Errorf("remembered as %+v", rev)
		}
	})
}

// A stack that a source is given between a plan and its commit is not removed: the
// plan did not say so.
func TestAStackIsAdoptedWhileAPushIsUnderWay(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err != nil {
			t.Fatal(err)
		}
		m.write(t, specs.Change{Stack: specs.Insert("edge", specs.StackRow{Name: "edge", Source: "infra"})})
		checked, err := m.Check(t.Context(), pushOf(1, 2, tree(shop)), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := (sources{m}).Adopt(t.Context(), "edge", specs.MainSource); err != nil {
			t.Fatal(err)
		}
		if err := checked.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "source adopt") {
			t.Errorf("got %v", err)
		}
		if stack, there := m.store.Snapshot().Stack("edge"); !there || m.Refs()["refs/heads/main"] != commit(1) {
			t.Errorf("the stack is %+v, the cluster at %v", stack, m.Refs())
		}
	})
}

func TestARefusedReviewIsNotRemembered(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		p := pushOf(0, 1, tree("services: fife\n"))
		p.Ref, p.Followed = "refs/heads/review", false
		if _, err := m.pushed(t, p); err == nil {
			t.Fatal("it was taken")
		}
		for rev := range m.store.Snapshot().Revisions() {
			t.Errorf("remembered: %+v", rev)
		}
	})
}

func TestWhatIsNotBuiltYetCanBeAccepted(t *testing.T) {
	partial := shop + "    dns: 1.1.1.1\n"
	bubble(t, false, func(t *testing.T, m *Manager) {
		said, err := m.pushed(t, pushOf(0, 1, tree(partial)))
		if err == nil || !strings.Contains(said, "git push -o accept-partial") {
			t.Fatalf("%v:\n%s", err, said)
		}
		if said, err = m.pushed(t, pushOf(0, 1, tree(partial), git.OptionAcceptPartial)); err != nil {
			t.Fatalf("%v:\n%s", err, said)
		}
	})
}

func TestAPushThatWasOvertakenIsAConflict(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		var out strings.Builder
		slow, err := m.Check(t.Context(), pushOf(0, 1, tree(shop)), &out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.pushed(t, pushOf(0, 2, tree(shop))); err != nil {
			t.Fatal(err)
		}
		err = slow.Commit(t.Context())
		if !errors.Is(err, git.ErrConflict) || !strings.Contains(err.Error(), "main is at 0000002: git fetch, then push again") {
			t.Errorf("got %v", err)
		}
	})
}

func TestOfTwoBranchesOneInsideTheOtherOneIsTaken(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		var out strings.Builder
		slow := pushOf(0, 1, tree(shop))
		slow.Ref, slow.Followed = "refs/heads/a", false
		checked, err := m.Check(t.Context(), slow, &out)
		if err != nil {
			t.Fatal(err)
		}
		fast := pushOf(0, 2, tree(shop))
		fast.Ref, fast.Followed = "refs/heads/a/b", false
		if _, err := m.pushed(t, fast); err != nil {
			t.Fatal(err)
		}
		if err := checked.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "there is a branch a/b by now") || len(m.Refs()) != 1 {
			t.Errorf("got %v, the refs are %v", err, m.Refs())
		}
	})
}

// A decision of the loop between the check and the commit costs another look,
// not the push.
func TestAPushOutlivesADecisionOfTheLoop(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		checked, err := m.Check(t.Context(), pushOf(1, 2, tree(strings.ReplaceAll(shop, "1.0", "2.0"))), &out)
		if err != nil {
			t.Fatal(err)
		}
		svc, _ := m.store.Snapshot().ServiceNamed("shop_web")
		m.write(t, specs.Change{Rollout: specs.Set(svc.ID, svc.RolloutVersion, specs.Rollout{State: specs.RolloutUpdating, Target: svc.Spec.Task})})
		if err := checked.Commit(t.Context()); err != nil {
			t.Error(err)
		}
		if now, _ := m.store.Snapshot().ServiceNamed("shop_web"); now.Spec.Task == svc.Spec.Task || now.Rollout.State != specs.RolloutUpdating {
			t.Errorf("got %+v", now)
		}
	})
}

func TestNobodyLeads(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		m.leading.Store(false)
		if _, err := m.pushed(t, pushOf(0, 1, tree(shop))); err == nil || !strings.Contains(err.Error(), "push again in a moment") {
			t.Errorf("got %v", err)
		}
	})
}

// The lookup after an unknown outcome believes the store, whenever it says so.
// A leader that loses its office between the check and the commit has moved nothing.
func TestNobodyLeadsAnyMore(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		checked, err := m.Check(t.Context(), pushOf(0, 1, tree(shop)), io.Discard)
		if err == nil {
			err = m.raft.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := checked.Commit(t.Context()); err == nil || err.Error() != "no manager leads right now: push again in a moment" {
			t.Errorf("it is told: %v", err)
		}
	})
}

func TestLookUp(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		p := &push{Push: pushOf(0, 1, tree(shop)), arrival: arrival{m: m}}
		ended := make(chan error, 1)
		go func() { ended <- p.lookUp(t.Context()) }()
		later(patience / 2)
		m.write(t, specs.Change{Ref: specs.Insert(p.Ref, specs.Ref{Name: p.Ref, Commit: commit(1)})})
		if err := <-ended; err != nil {
			t.Errorf("it was taken after all: %v", err)
		}
		other := &push{Push: pushOf(1, 2, tree(shop)), arrival: arrival{m: m}}
		began := m.raft.Now()
		err := other.lookUp(t.Context())
		if took := m.raft.Now().Sub(began); took != patience || !errors.Is(err, git.ErrOutcomeUnknown) ||
			!strings.Contains(err.Error(), "unknown whether main moved: git fetch") {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// revisions is a snapshot with so many revisions, of which the cluster is at the
// commit at.
func revisions(t *testing.T, count, at int, state func(int) specs.RevisionState) store.Snapshot {
	t.Helper()
	st := store.New()
	tx := specs.Transaction{
		{Source: specs.Insert(specs.MainSource, specs.Source{Name: specs.MainSource, Branch: "main"})},
		{Ref: specs.Insert("refs/heads/main", specs.Ref{Name: "refs/heads/main", Commit: commit(at)})},
	}
	for i := 1; i <= count; i++ {
		id := fmt.Sprintf("%010d-%s", i, git.Short(commit(i)))
		tx = append(tx, specs.Change{Revision: specs.Insert(id, specs.Revision{
			ID: id, Source: specs.MainSource, Commit: commit(i), Progress: specs.RevisionProgress{State: state(i)},
		})})
	}
	if errs := st.Apply(1, []specs.Transaction{tx}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	return st.Snapshot()
}

func TestPruneForgetsTheOldest(t *testing.T) {
	healthy := func(int) specs.RevisionState { return specs.RevisionHealthy }
	for _, c := range []struct {
		name  string
		count int
		at    int
		state func(int) specs.RevisionState
		want  []int // forgotten
	}{
		{"there is room", keptRevisions - 1, keptRevisions - 1, healthy, nil},
		{"one has to go", keptRevisions, keptRevisions, healthy, []int{1}},
		{"three have to", keptRevisions + 2, keptRevisions, healthy, []int{1, 2, 3}},
		{"none that is under way", keptRevisions, keptRevisions, func(i int) specs.RevisionState {
			if i == 1 {
				return specs.RevisionRollingOut
			}
			return specs.RevisionHealthy
		}, []int{2}},
		// 200 refused pushes must not take away what the cluster is at.
		{"not the one that the cluster is at", keptRevisions, 1, func(i int) specs.RevisionState {
			if i == 1 {
				return specs.RevisionHealthy
			}
			return specs.RevisionRefused
		}, []int{2}},
	} {
		snap := revisions(t, c.count, c.at, c.state)
		var got []string
		for _, change := range prune(snap) {
			got = append(got, change.Revision.ID)
		}
		var want []string
		for _, i := range c.want {
			want = append(want, fmt.Sprintf("%010d-%s", i, git.Short(commit(i))))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: forgets %v, want %v", c.name, got, want)
		}
	}
}

func TestRevisionIDsSortAsTheyCame(t *testing.T) {
	last := ""
	for _, count := range []int{0, 1, 9, 10, 99, 120} {
		snap := revisions(t, count, 1, func(int) specs.RevisionState { return specs.RevisionHealthy })
		id := nextRevisionID(snap, commit(7))
		if want := fmt.Sprintf("%010d-0000007", count+1); id != want || id <= last {
			t.Errorf("after %d revisions: %s, want %s", count, id, want)
		}
		last = id
	}
}

func TestFindRevision(t *testing.T) {
	snap := revisions(t, 3, 2, func(i int) specs.RevisionState {
		if i == 3 {
			return specs.RevisionRefused
		}
		return specs.RevisionHealthy
	})
	for rev, want := range map[string]string{"": commit(2), "0000001": commit(1), commit(3): commit(3)} {
		if found, err := findRevision(snap, rev); err != nil || found.Commit != want {
			t.Errorf("%q: got %s, %v", rev, found.Commit, err)
		}
	}
	if _, err := findRevision(snap, "abc"); err == nil || !strings.Contains(err.Error(), "the cluster has seen no commit abc") {
		t.Errorf("got %v", err)
	}
	if _, err := findRevision(store.New().Snapshot(), ""); err == nil || !strings.Contains(err.Error(), "nothing was pushed yet") {
		t.Errorf("got %v", err)
	}
}

// A revision that is overtaken hands whoever waits for it over to the next one.
func TestWaitFollowsTheOneThatOvertook(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		seed(t, m, 1)
		var lines []string
		type end struct {
			rev specs.Revision
			err error
		}
		ended := make(chan end, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			rev, err := m.Wait(ctx, "", func(line string) error { lines = append(lines, line); return nil })
			ended <- end{rev, err}
		}()
		later(1)
		next := specs.Revision{
			ID: "r2", Source: specs.MainSource, Commit: commit(2), Created: m.raft.Now(),
			Progress: specs.RevisionProgress{State: specs.RevisionHealthy, Since: m.raft.Now()},
		}
		m.write(t, specs.Change{Revision: specs.Insert("r2", next)})
		m.progress(t, specs.RevisionSuperseded, "")
		got := <-ended
		if got.err != nil || got.rev.ID != "r2" || !strings.Contains(strings.Join(lines, "\n"),
			"superseded: another commit came after 0000001\nhealthy: 0000002 after 0.0s") {
			t.Errorf("%s, %v:\n%s", got.rev.ID, got.err, strings.Join(lines, "\n"))
		}
	})
}
