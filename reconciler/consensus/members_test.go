package consensus

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
)

// some are voters with these IDs; one in lower case has no vote.
func some(ids ...string) (members []Member) {
	for _, id := range ids {
		members = append(members, Member{ID: id, Address: id + ":1", Voter: id == strings.ToUpper(id)})
	}
	return members
}

func among(ids string) func(string) bool {
	return func(id string) bool { return slices.Contains(strings.Fields(ids), id) }
}

func TestMayRemove(t *testing.T) {
	for name, c := range map[string]struct {
		members   []Member
		reachable string
		id        string
		want      string
	}{
		"one of three":              {some("A", "B", "C"), "A B C", "C", ""},
		"one that is gone":          {some("A", "B", "C"), "A B", "C", ""},
		"one while another is gone": {some("A", "B", "C"), "A B", "B", "refused: 3 managers, 1 reachable after the removal, 2 needed: bring back C first"},
		"the only one":              {some("A"), "A", "A", "refused: A is the only manager: make another node a manager first"},
		"the only one with a vote":  {some("A", "b"), "A b", "A", "refused: A is the only manager: make another node a manager first"},
		"one of two":                {some("A", "B"), "A B", "B", ""},
		"one of two, other is gone": {some("A", "B"), "B", "B", "refused: 2 managers, 0 reachable after the removal, 1 needed: bring back A first"},
		"without a vote":            {some("A", "B", "c"), "A", "c", ""},
		"nobody":                    {some("A"), "A", "X", ""},
		"one of five, two are gone": {some("A", "B", "C", "D", "E"), "A B C", "C", "refused: 5 managers, 2 reachable after the removal, 3 needed: bring back D, E first"},
		"one of four, one is gone":  {some("A", "B", "C", "D"), "A B C", "D", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := MayRemove(c.members, among(c.reachable), c.id); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestNextStep(t *testing.T) {
	const taken = "manager A has that address: if it is gone for good, demote it (swarmgit node demote A) and remove it; else choose another with --advertise"
	for name, c := range map[string]struct {
		members   []Member
		reachable string
		joining   Joining
		want      step
		err       string
	}{
		"new":                      {some("A"), "A", Joining{ID: "B", Address: "B:1"}, step{do: write}, ""},
		"new at another's address": {some("A"), "A", Joining{ID: "B", Address: "A:1"}, step{}, taken},
		"behind":                   {some("A", "b"), "A b", Joining{ID: "b", Address: "b:1", Applied: 935}, step{}, ""},
		"caught up":                {some("A", "b"), "A b", Joining{ID: "b", Address: "b:1", Applied: 936}, step{promote, true}, ""},
		"caught up and cut off":    {some("A", "b"), "A", Joining{ID: "b", Address: "b:1", Applied: 1000}, step{}, ""},
		"has its vote":             {some("A", "B"), "A B", Joining{ID: "B", Address: "B:1", Applied: 1}, step{voter: true}, ""},
		"voter moved":              {some("A", "B"), "A", Joining{ID: "B", Address: "B:2"}, step{write, true}, ""},
		"wiped voter moved":        {some("A", "B"), "A", Joining{ID: "B", Address: "B:2", Fresh: true}, step{do: write}, ""},
		"moved to another's":       {some("A", "B"), "A B", Joining{ID: "B", Address: "A:1"}, step{}, taken},
		"other moved":              {some("A", "b"), "A", Joining{ID: "b", Address: "b:2", Applied: 1000}, step{do: write}, ""},
		"wiped voter":              {some("A", "B", "C"), "A B C", Joining{ID: "B", Address: "B:1", Fresh: true}, step{do: demote}, ""},
		"wiped voter of too few":   {some("A", "B", "C"), "A B", Joining{ID: "B", Address: "B:1", Fresh: true}, step{do: demote}, "refused: 3 managers, 1 reachable after the removal, 2 needed: bring back C first"},
		"wiped, without its vote":  {some("A", "b", "C"), "A b C", Joining{ID: "b", Address: "b:1", Applied: 1000, Fresh: true}, step{promote, true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := nextStep(c.members, among(c.reachable), c.joining, 1000)
			if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("got error %v, want %q", err, c.err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(step{})); diff != "" {
				t.Errorf("step (-want +got)\n%s", diff)
			}
		})
	}
}

// A manager that does not hear its leader any more asks the others for votes, and
// so knows which of them are there.
func TestWhoKnowsNoLeaderStillReachesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.cutOneWay(0, 2)
		c.cutOneWay(2, 0)
		time.Sleep(10 * time.Second)
		c.leader(t, 0).write(t, ref(1))
		for id, want := range map[string]bool{"manager1": false, "manager2": true, "manager3": true} {
			if got := c.managers[2].Reachable(id); got != want {
				t.Errorf("manager3 reaches %s: %v, want %v", id, got, want)
			}
		}
		if c.managers[1].Reachable("manager3") {
			t.Error("manager2 follows, and claims to reach manager3")
		}
	})
}

// The leader may count the vote of a manager that never hears of it.
func TestWhoKnowsOfNoVoteOfItsOwnReachesItselfAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.add()
		c.start(t, 3)
		if voter, err := c.managers[0].Join(t.Context(), c.managers[3].Joining()); voter || err != nil {
			t.Fatalf("got %v and %v, want that it is added without a vote", voter, err)
		}
		time.Sleep(time.Second)
		c.cutOneWay(0, 3)
		time.Sleep(10 * time.Second)
		for id, want := range map[string]bool{"manager1": false, "manager2": false, "manager3": false, "manager4": true} {
			if got := c.managers[3].Reachable(id); got != want {
				t.Errorf("manager4 reaches %s: %v, want %v", id, got, want)
			}
		}
	})
}

// In a young cluster nobody is far behind. But a manager that is killed before it
// has written anything begins with an empty disk again.
func TestAManagerGetsNoVoteBeforeItHoldsAnything(t *testing.T) {
	for applied, want := range map[uint64]step{0: {}, 1: {promote, true}} {
		got, err := nextStep(some("A", "b"), among("A b"), Joining{ID: "b", Address: "b:1", Applied: applied, Fresh: true}, 5)
		if err != nil || got != want {
			t.Errorf("with %d applied: got %+v (%v), want %+v", applied, got, err, want)
		}
	}
}

func TestUsableIsWhatAllRead(t *testing.T) {
	for name, c := range map[string]struct {
		formats []int
		want    int
	}{
		"all the newest":   {[]int{Newest, Newest}, Newest},
		"one is older":     {[]int{Newest, 1}, 1},
		"one is newer":     {[]int{Newest, Newest + 1}, Newest},
		"one has not said": {[]int{Newest, 0}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Usable(c.formats); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestEntriesAreWrittenInTheUsableFormat(t *testing.T) {
	for name, c := range map[string]struct{ told, want int }{
		"an older member": {1, 1}, "nobody has said": {0, 1}, "a newer member": {Newest + 1, Newest},
	} {
		t.Run(name, func(t *testing.T) {
			memory := NewMemory()
			r := run(t, Config{Memory: memory, Bootstrap: true, Format: func() int { return c.told }})
			r.lead(t)
			r.write(t, ref(1))
			var entry raft.Log
			if err := memory.entries.GetLog(r.AppliedIndex(), &entry); err != nil {
				t.Fatal(err)
			}
			if entry.Data[0] != byte(c.want) {
				t.Errorf("the entry begins with %d, want %d", entry.Data[0], c.want)
			}
		})
	}
}

func TestAManagerOfAnOlderReleaseIsRefused(t *testing.T) {
	r := run(t, Config{Memory: NewMemory(), Bootstrap: true})
	r.lead(t)
	_, err := r.Join(t.Context(), Joining{ID: "b", Address: "b:1", Format: Newest - 1})
	if err == nil || !strings.Contains(err.Error(), "install a newer release there") {
		t.Errorf("got %v, want that it is too old", err)
	}
}

func TestMembersAndLeaderAreKnownToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		time.Sleep(time.Second)
		want := []Member{
			{"manager1", "manager1", true, true}, {"manager2", "manager2", true, false}, {"manager3", "manager3", true, false},
		}
		for i, m := range c.managers {
			got, err := m.Members()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("manager %d (-want +got)\n%s", i+1, diff)
			}
			if id, address := m.Leader(); id != "manager1" || address != "manager1" {
				t.Errorf("manager %d knows %q at %q as the leader", i+1, id, address)
			}
		}
		if !c.managers[0].Reachable("manager2") || c.managers[1].Reachable("manager3") || !c.managers[1].Reachable("manager2") {
			t.Error("the leader reaches the others, and others themselves")
		}
		c.cut(1)
		time.Sleep(2 * time.Second)
		if c.managers[0].Reachable("manager2") || !c.managers[0].Reachable("manager3") {
			t.Error("the leader reaches who is not cut off")
		}
	})
}

func TestChangedTellsFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		time.Sleep(time.Second)
		follower := c.managers[1]
		for name, change := range map[string]func() error{
			"a member leaves": func() error { return c.managers[0].Remove(t.Context(), "manager3") },
			"a member joins": func() error {
				_, err := c.managers[0].Join(t.Context(), Joining{ID: "manager4", Address: "manager4", Format: Newest})
				return err
			},
		} {
			changed := follower.Changed()
			if err := change(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-changed:
			case <-time.After(time.Second):
				t.Errorf("%s: the follower was not told", name)
			}
		}
		changed := follower.Changed()
		if err := c.managers[0].HandOver(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-changed
		time.Sleep(time.Second)
		if id, _ := follower.Leader(); id != "manager2" {
			t.Errorf("%q leads, want the only other voter", id)
		}
	})
}

func TestRemoveIsRefusedWithTheArithmetic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.cut(2)
		time.Sleep(2 * time.Second)
		err := c.managers[0].Remove(t.Context(), "manager2")
		if err == nil || !strings.Contains(err.Error(), "3 managers, 1 reachable after the removal, 2 needed: bring back manager3 first") {
			t.Errorf("got %v", err)
		}
		if err := c.managers[0].Remove(t.Context(), "manager3"); err != nil {
			t.Error(err)
		}
		if err := c.managers[1].Remove(t.Context(), "manager1"); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a follower answers %v", err)
		}
		if err := c.managers[0].Remove(t.Context(), "manager1"); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a leader that is to go answers %v, want that it has handed over", err)
		}
		successor := c.leader(t, 1)
		if err := successor.Remove(t.Context(), "manager1"); err != nil {
			t.Error(err)
		}
		if err := successor.Remove(t.Context(), "manager1"); err != nil {
			t.Errorf("again: %v", err)
		}
		successor.write(t, ref(1))
	})
}

func TestAGracefulStopHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.managers[0].write(t, ref(1))
		began := time.Now()
		c.managers[0].stop()
		c.leader(t, 1, 2).write(t, ref(2))
		if took := time.Since(began); took >= patience {
			t.Errorf("the next leader took %v, want less than an election's %v", took, patience)
		}
	})
}

func TestAFollowerWaitsForWhatTheLeaderWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		for i := range 20 {
			c.managers[0].write(t, ref(i))
			if err := c.managers[1].WaitApplied(t.Context(), c.managers[0].AppliedIndex()); err != nil {
				t.Fatal(err)
			}
			if _, ok := c.managers[1].store.Snapshot().Ref(ref(i)[0].Ref.ID); !ok {
				t.Fatalf("ref %d is not there", i)
			}
		}
		ended := make(chan error)
		go func() { ended <- c.managers[1].WaitApplied(t.Context(), 1000) }()
		synctest.Wait()
		c.managers[1].stop()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want that it is closed", err)
		}
	})
}
