package consensus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

func TestALeaderWhoseDiskHangsGivesUpLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		term := c.managers[0].term(t)
		c.managers[0].write(t, ref(1))
		time.Sleep(time.Second)

		release := c.memories[0].Hang()
		lost := make(chan error)
		go func() {
			_, err := c.managers[0].Propose(context.Background(), []specs.Transaction{ref(2)})
			lost <- err
		}()
		began := time.Now()
		<-term.Done()
		successor := c.leader(t, 1, 2)
		if took := time.Since(began); took > diskPatience+4*patience {
			t.Errorf("the next leader took %v", took)
		}
		successor.write(t, ref(3))
		release()
		if err := <-lost; !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("got %v, want that the outcome is unknown", err)
		}
		time.Sleep(5 * time.Second)
		c.wantOneDigest(t)
		if _, ok := successor.store.Snapshot().Ref("refs/heads/000002"); ok {
			t.Error("what hung was written")
		}
	})
}

// On a real network the others' heartbeats reach raft past its main loop.
func TestALeaderWhoseDiskHangsIsReplacedOverANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net pipes
		var managers []running
		var memories []*Memory
		for i := range 3 {
			name := fmt.Sprintf("manager%d", i+1)
			memories = append(memories, NewMemory())
			managers = append(managers, run(t, Config{NodeID: name, Memory: memories[i], Network: net.listen(name, name), Bootstrap: i == 0}))
		}
		c := &cluster{managers: managers}
		term := managers[0].term(t)
		admitted(t, managers[0], managers[1:]...)
		for round := range 3 {
			leader := slices.IndexFunc(c.managers, func(m running) bool { return m.raft.State() == raft.Leader })
			release := memories[leader].Hang()
			go func() { _, _ = managers[leader].Propose(t.Context(), []specs.Transaction{ref(100 + round)}) }()
			<-term.Done()
			next := c.leader(t, (leader+1)%3, (leader+2)%3)
			next.write(t, ref(round))
			release()
			time.Sleep(5 * time.Second)
			c.wantOneDigest(t)
			next = c.leading(t)
			term = next.term(t)
			next.write(t, ref(10+round))
		}
	})
}

func TestAHungDiskIsNoticedWithoutAnyWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		release := c.memories[0].Hang()
		time.Sleep(probePeriod + diskPatience + time.Second)
		c.leader(t, 1, 2).write(t, ref(1))
		release()
		time.Sleep(5 * time.Second)
		c.wantOneDigest(t)
	})
}

func TestALeaderWithNoSuccessorStaysAlthoughItsDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := voting(t, 2)
		term := c.managers[0].term(t)
		release := c.memories[0].Hang()
		written := make(chan error)
		go func() {
			_, err := c.managers[0].Propose(context.Background(), []specs.Transaction{ref(1)})
			written <- err
		}()
		time.Sleep(10 * diskPatience)
		release()
		if err := <-written; err != nil || term.Err() != nil {
			t.Errorf("got %v, the term ended with %v", err, term.Err())
		}
	})
}

// What nobody waits for any more is written if raft has it, and only then.
func TestWhatIsWithdrawnIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := voting(t, 1)
		c.managers[0].term(t)
		release := c.memories[0].Hang()
		gone := errors.New("nobody waits")
		ctx, cancel := context.WithCancelCause(t.Context())
		const proposals = entriesFlying + 3
		withdrawn := make([]bool, proposals)
		var callers sync.WaitGroup
		for i := range proposals {
			callers.Go(func() {
				_, err := c.managers[0].Propose(ctx, []specs.Transaction{ref(i)})
				if !errors.Is(err, gone) {
					t.Errorf("proposal %d: %v", i, err)
				}
				withdrawn[i] = !errors.Is(err, ErrOutcomeUnknown)
			})
			synctest.Wait()
		}
		cancel(gone)
		callers.Wait()
		release()
		c.managers[0].write(t, ref(proposals))
		for i, not := range withdrawn {
			if not != (i >= entriesFlying) {
				t.Errorf("proposal %d of %d withdrawn: %v", i, proposals, not)
			}
			if _, written := c.managers[0].store.Snapshot().Ref(fmt.Sprintf("refs/heads/%06d", i)); written == not {
				t.Errorf("proposal %d, withdrawn: %v, written: %v", i, not, written)
			}
		}
	})
}

func TestAHungFollowerStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		term := c.managers[0].term(t)
		release := c.memories[2].Hang()
		for i := range 20 {
			c.managers[0].write(t, ref(i))
			time.Sleep(time.Second)
		}
		release()
		time.Sleep(5 * time.Second)
		c.wantOneDigest(t)
		if term.Err() != nil {
			t.Error("the leader lost its office")
		}
	})
}

func TestALeaderWhoseDiskIsFullHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		time.Sleep(time.Second)
		began := time.Now()
		c.memories[0].Fill(true)
		successor := c.leader(t, 1, 2)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the next leader took %v", took)
		}
		successor.write(t, ref(1))

		// Where all disks are full, leadership does not go round.
		c.memories[1].Fill(true)
		c.memories[2].Fill(true)
		time.Sleep(5 * time.Second)
		term := c.leading(t).term(t)
		time.Sleep(officePause / 2)
		if term.Err() != nil {
			t.Error("leadership goes round")
		}
	})
}

// TestAFullLeaderGoesWhereThereIsRoom hands over to the only manager with room,
// again and again: however short a time ago it had the office.
func TestAFullLeaderGoesWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		time.Sleep(time.Second)
		for _, next := range []int{2, 1, 0, 2} {
			c.roomy.Store(string(c.managers[next].id))
			for i, memory := range c.memories {
				memory.Fill(i != next)
			}
			time.Sleep(3 * time.Second)
			c.managers[next].write(t, ref(next))
		}
	})
}

func TestCloseLeavesADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory()
		c, err := Open(Config{NodeID: "m", Store: store.New(), Memory: memory, Bootstrap: true, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- c.Run(context.Background()) }()
		if _, err := c.Leading(t.Context()); err != nil {
			t.Fatal(err)
		}
		release := memory.Hang()
		go func() { _, _ = c.Propose(t.Context(), []specs.Transaction{ref(1)}) }()
		synctest.Wait()
		for _, err := range []error{c.Close(), <-ended} {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want that the disk hangs", err)
			}
		}
		release()
	})
}

func TestTheOperatorIsToldOnceWhoDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		var said bytes.Buffer
		w := &Consensus{id: "manager1", raft: c.managers[0].raft, gate: c.managers[0].gate, log: slog.New(slog.NewTextHandler(&said, nil))}
		look := func(n int) string {
			said.Reset()
			members, err := c.managers[0].Members()
			if err != nil {
				t.Fatal(err)
			}
			for range n {
				w.tellSilent(t.Context(), members)
			}
			return said.String()
		}
		if got := look(10); got != "" {
			t.Errorf("told %s of managers that answer", got)
		}
		c.cut(2)
		time.Sleep(2 * time.Second)
		if got := look(10); strings.Count(got, "\n") != 1 || !strings.Contains(got, `level=WARN msg="manager does not answer" manager=manager3`) {
			t.Errorf("told %q of a manager that does not answer", got)
		}
		c.heal()
		time.Sleep(2 * time.Second)
		if got := look(10); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="manager answers again" manager=manager3`) {
			t.Errorf("told %q of a manager that answers again", got)
		}
	})
}
