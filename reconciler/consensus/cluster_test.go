package consensus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// cluster is managers in memory. The first began it.
type cluster struct {
	managers   []running
	transports []*raft.InmemTransport
	memories   []*Memory
	severed    map[[2]int]bool       // from, to
	began      bool                  // the first is not to begin another cluster
	ahead      map[int]time.Duration // of a manager's wall clock, from its next start
	roomy      atomic.Value          // the name of the manager that is known to have room on its disk, if any

	late atomic.Pointer[chan struct{}] // closed when what the first manager's requests are answered may arrive; nil holds nothing up
}

// delayed is the first manager's transport.
type delayed struct {
	*raft.InmemTransport
	*cluster
}

func (d delayed) AppendEntries(id raft.ServerID, to raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	err := d.InmemTransport.AppendEntries(id, to, req, resp)
	if arrive := d.late.Load(); arrive != nil {
		<-*arrive
	}
	return err
}

func three(t *testing.T) *cluster { return voting(t, 3) }

// voting starts n managers, each of which has its vote, and knows of all votes: one
// that knows of no vote of its own does not stand for election, and raft gives no
// vote to one that is not known to have its own.
func voting(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{severed: make(map[[2]int]bool)}
	for i := range n {
		c.add()
		c.start(t, i)
	}
	c.managers[0].lead(t)
	c.began = true
	for i := range c.managers[1:] {
		c.admit(t, 1+i)
	}
	for _, m := range c.managers {
		m.learnsOfVotes(t, n)
	}
	return c
}

// add makes room for one more manager.
func (c *cluster) add() {
	c.transports, c.memories, c.managers = append(c.transports, nil), append(c.memories, NewMemory()), append(c.managers, running{})
}

// start opens a manager on its disk.
func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	name := fmt.Sprintf("manager%d", i+1)
	_, c.transports[i] = raft.NewInmemTransport(raft.ServerAddress(name))
	c.connect()
	ahead := c.ahead[i]
	var transport Transport = c.transports[i]
	if i == 0 {
		transport = delayed{c.transports[i], c}
	}
	c.managers[i] = run(t, Config{NodeID: name, Memory: c.memories[i], Transport: transport, Bootstrap: i == 0 && !c.began,
		Wall: func() time.Time { return time.Now().Add(ahead) },
		Room: func(id string) (has, known bool) { return id == c.roomy.Load(), c.roomy.Load() != nil }})
}

// admit asks the leader again and again until the manager has its vote.
func (c *cluster) admit(t *testing.T, i int) {
	t.Helper()
	for range 100 {
		voter, err := c.leading(t).Join(t.Context(), c.managers[i].Joining())
		if err == nil && voter {
			if err := c.managers[i].Admit(); err != nil {
				t.Fatal(err)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("manager %d gets no vote", i+1)
}

// learnsOfVotes waits until the manager has heard that n managers have a vote.
func (r running) learnsOfVotes(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		changed := r.Changed()
		members, err := r.Members()
		if err != nil {
			t.Fatal(err)
		}
		if voters(members) == n {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%s never hears of %d votes", r.id, n)
		}
	}
}

// leading waits until one of all managers leads.
func (c *cluster) leading(t *testing.T) running {
	t.Helper()
	var all []int
	for i := range c.managers {
		all = append(all, i)
	}
	return c.leader(t, all...)
}

// kill ends a manager before it can hand over, or anything.
func (c *cluster) kill(i int) {
	c.transports[i].DisconnectAll()
	for j, other := range c.transports {
		if j != i {
			other.Disconnect(c.transports[i].LocalAddr())
		}
	}
	c.managers[i].stop()
}

func (c *cluster) heal() {
	clear(c.severed)
	c.connect()
}

// connect joins all that is not severed.
func (c *cluster) connect() {
	for i, from := range c.transports {
		for j, to := range c.transports {
			if from != nil && to != nil && i != j && !c.severed[[2]int{i, j}] {
				from.Connect(to.LocalAddr(), to)
			}
		}
	}
}

// cut takes one manager off the network.
func (c *cluster) cut(i int) {
	for j := range c.transports {
		if j != i {
			c.cutOneWay(i, j)
			c.cutOneWay(j, i)
		}
	}
}

// cutOneWay keeps what one manager asks from another. Answers come through.
func (c *cluster) cutOneWay(from, to int) {
	c.severed[[2]int{from, to}] = true
	c.transports[from].Disconnect(c.transports[to].LocalAddr())
}

func (c *cluster) wantOneDigest(t *testing.T) {
	t.Helper()
	for _, m := range c.managers[1:] {
		if got, want := m.store.Digest(), c.managers[0].store.Digest(); got != want {
			t.Errorf("digests differ: %s and %s", got.Short(), want.Short())
		}
	}
}

func TestThreeManagersConvergeToOneDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		for i := range 50 {
			c.managers[0].write(t, ref(i), ref(i)) // the second is a conflict, everywhere
		}
		time.Sleep(time.Second)
		c.wantOneDigest(t)
		if _, err := c.managers[1].Propose(t.Context(), []specs.Transaction{ref(99)}); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a follower answers %v, want that it does not lead", err)
		}
	})
}

func TestALeaderThatIsCutOffDoesNotKnowTheOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		term := c.managers[0].lead(t)
		c.managers[0].write(t, ref(1))
		c.cut(0)
		if _, err := c.managers[0].Propose(t.Context(), []specs.Transaction{ref(2)}); !errors.Is(err, ErrOutcomeUnknown) {
			t.Fatalf("got %v, want that the outcome is unknown", err)
		}
		<-term.Done()
		if _, err := c.managers[0].Propose(t.Context(), []specs.Transaction{ref(3)}); !errors.Is(err, ErrNotLeader) {
			t.Errorf("got %v, want that it leads no more", err)
		}

		successor := c.leader(t, 1, 2)
		before := c.managers[0].Now()
		if successor.Now().Before(before.Add(-time.Second)) {
			t.Errorf("the successor's clock is at %v, its predecessor's at %v", successor.Now(), before)
		}
		successor.write(t, ref(4))
		c.heal()
		time.Sleep(5 * time.Second)
		c.wantOneDigest(t)
		if _, ok := c.managers[0].store.Snapshot().Ref("refs/heads/000002"); ok {
			t.Error("what only the cut-off leader knew was written")
		}
	})
}

// leader waits until one of the managers leads.
func (c *cluster) leader(t *testing.T, among ...int) running {
	t.Helper()
	for range 100 {
		for _, i := range among {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := c.managers[i].Leading(ctx)
			cancel()
			if err == nil {
				return c.managers[i]
			}
		}
	}
	t.Fatal("nobody leads")
	return running{}
}

func TestTheLogIsCutBehindASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Memory: NewMemory(), Bootstrap: true, Snapshots: SnapshotConfig{Threshold: 8, Trailing: 4}}
		r := run(t, cfg)
		r.lead(t)
		for i := range 30 {
			r.write(t, ref(i))
		}
		time.Sleep(2 * time.Minute)
		r.write(t, ref(30))
		first, err := cfg.Memory.entries.FirstIndex()
		if err != nil || first < 20 {
			t.Errorf("the log begins at %d (%v), want it cut", first, err)
		}
		want, now := r.store.Digest(), r.Now()
		r.stop()

		cfg.Store = nil
		again := run(t, cfg)
		again.lead(t)
		if got := again.store.Digest(); got != want {
			t.Errorf("digest %s after a restart from the snapshot, want %s", got.Short(), want.Short())
		}
		if again.Now().Before(now) {
			t.Errorf("the clock went back from %v to %v", now, again.Now())
		}
	})
}

func TestWhatCannotBeReadStopsTheNode(t *testing.T) {
	for name, data := range map[string][]byte{
		"format": {2, 0xa0},
		"field":  {1, 0xa1, 0x63, 'p', 'o', 'd', 1},
		"empty":  {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := Open(Config{NodeID: "m", Store: store.New(), Memory: NewMemory(), Bootstrap: true, Log: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error)
				go func() { ended <- r.Run(t.Context()) }()
				if _, err := r.Leading(t.Context()); err != nil {
					t.Fatal(err)
				}
				before := r.machine.store.Digest()
				r.raft.Apply(data, 0)
				good, encodeErr := batch{}.encode(Newest, r.Now())
				if encodeErr != nil {
					t.Fatal(encodeErr)
				}
				r.raft.Apply(good, 0)
				if err := <-ended; err == nil {
					t.Error("the node goes on")
				} else {
					t.Log(err)
				}
				if r.machine.store.Digest() != before || r.machine.store.Snapshot().Index() != 0 {
					t.Error("an entry behind the unreadable one was applied")
				}
				if _, err := r.machine.Snapshot(); err == nil {
					t.Error("a snapshot is made without the unreadable entry")
				}
			})
		})
	}
}

func TestASnapshotThatCannotBeReadStopsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Memory: NewMemory(), Bootstrap: true}
		r := run(t, cfg)
		r.lead(t)
		r.write(t, ref(1))
		voters := r.raft.GetConfiguration().Configuration()
		r.stop()
		sink, err := cfg.Memory.snapshots.Create(raft.SnapshotVersionMax, 3, 1, voters, 1, r.gate)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sink.Write([]byte{Newest + 1}); err != nil {
			t.Fatal(err)
		}
		_, err = Open(Config{NodeID: "manager1", Store: store.New(), Memory: cfg.Memory, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "format 2 and this swarmgit reads 1") {
			t.Errorf("got %v, want the format", err)
		}
	})
}

func TestTheLeaderAloneIsConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.cut(2)
		if err := c.managers[0].Confirm(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.managers[1].Confirm(t.Context()); !errors.Is(err, ErrNotLeader) {
			t.Errorf("a follower answers %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		only := run(t, Config{Memory: NewMemory(), Bootstrap: true})
		only.lead(t)
		if err := only.Confirm(t.Context()); err != nil {
			t.Errorf("the only manager answers %v", err)
		}
	})
}

// A leader that was frozen finds answers waiting for it when it wakes up. They are
// older than the question, and somebody else may lead by now.
func TestAnswersToWhatWasSentBeforeConfirmNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		arrive := make(chan struct{})
		c.late.Store(&arrive)
		time.Sleep(patience / 3) // each follower has answered, and no answer has arrived
		c.cut(0)
		confirmed := make(chan error, 1)
		go func() { confirmed <- c.managers[0].Confirm(t.Context()) }()
		synctest.Wait()
		close(arrive)
		if err := <-confirmed; !errors.Is(err, ErrNotLeader) {
			t.Errorf("a leader that nobody hears any more answers %v", err)
		}
	})
}

func TestAProposalWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := three(t)
		c.cut(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := c.managers[0].Propose(ctx, []specs.Transaction{ref(1)}); !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that the outcome is unknown at the deadline", err)
		}
		if _, err := c.managers[0].Propose(ctx, []specs.Transaction{ref(2)}); errors.Is(err, ErrOutcomeUnknown) || err == nil {
			t.Errorf("got %v for a context that had ended before", err)
		}
	})
}

func TestNobodyWaitsForAClosedConsensus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, Config{Memory: NewMemory()}) // not bootstrapped: it never leads
		ended := make(chan error)
		go func() {
			_, err := r.Leading(t.Context())
			ended <- err
		}()
		synctest.Wait()
		r.stop()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want that it is closed", err)
		}
		if _, err := r.Propose(t.Context(), []specs.Transaction{ref(1)}); !errors.Is(err, ErrNotLeader) {
			t.Errorf("got %v, want that it does not lead", err)
		}
	})
}
