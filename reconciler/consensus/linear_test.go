package consensus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

const (
	stormSeeds   = 20
	stormClients = 4
	stormLength  = 30 * time.Second
)

// TestNothingAcknowledgedIsLostInAStorm lets clients read and replace one ref at
// any manager, while managers are cut off, killed, stopped, wiped and hang, and
// checks that all answers fit into one order of one register.
func TestNothingAcknowledgedIsLostInAStorm(t *testing.T) {
	for range stormSeeds {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { weather(t, seed) }) })
	}
}

func weather(t *testing.T, seed uint64) {
	c := three(t)
	c.managers[0].write(t, specs.Transaction{{Ref: specs.Insert(register, specs.Ref{Commit: "0"})}})
	s := &storm{cluster: c, rng: rand.New(rand.NewPCG(seed, 0)), wiped: -1}
	ctx, cancel := context.WithTimeout(t.Context(), stormLength)
	defer cancel()
	var clients sync.WaitGroup
	for i := range stormClients {
		clients.Go(func() { s.client(ctx, i, rand.New(rand.NewPCG(seed, uint64(1+i)))) })
	}
	clients.Go(func() { s.admitAll(ctx) })
	s.blow(ctx, t)
	clients.Wait()
	s.calm(t)
	if got := porcupine.CheckOperationsTimeout(model, s.history, 30*time.Second); got != porcupine.Ok {
		t.Errorf("seed %d: %d operations are in no order: %s", seed, len(s.history), got)
	}
	if s.written == 0 {
		t.Error("nothing was written")
	}
}

// storm is a cluster in trouble.
type storm struct {
	*cluster
	rng   *rand.Rand // used by blow only
	wiped int        // the manager that has not been admitted since it was wiped, or -1

	mu      sync.Mutex
	next    int
	written int
	history []porcupine.Operation
}

// register is the ref's name.
const register = "refs/heads/main"

// call is an operation on the register: a read, or a replacement of one value.
type call struct{ read, replace, by string }

// answer is what came of it.
type answer struct {
	value string // read
	done  bool   // replaced, or else refused
	lost  bool   // not known
}

var model = porcupine.Model{
	Init: func() any { return "0" },
	Step: func(state, in, out any) (bool, any) {
		now, do, got := state.(string), in.(call), out.(answer)
		switch {
		case do.read != "":
			return got.value == now, now
		case got.lost:
			if now == do.replace {
				return true, do.by
			}
			return true, now
		case got.done:
			return now == do.replace, do.by
		}
		return now != do.replace, now
	},
}

// client asks managers at random, until ctx ends.
func (s *storm) client(ctx context.Context, id int, rng *rand.Rand) {
	for ctx.Err() == nil {
		m := s.manager(rng.IntN(len(s.managers)))
		began := time.Now()
		if rng.IntN(3) == 0 {
			s.read(ctx, id, m, began)
		} else {
			s.replace(ctx, id, m, began)
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
	}
}

func (s *storm) read(ctx context.Context, id int, m running, began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := m.Confirm(ctx); err != nil {
		return
	}
	row, _ := m.store.Snapshot().Ref(register)
	s.note(id, call{read: register}, answer{value: row.Commit}, began, time.Now())
}

func (s *storm) replace(ctx context.Context, id int, m running, began time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	row, _ := m.store.Snapshot().Ref(register)
	s.mu.Lock()
	s.next++
	do := call{replace: row.Commit, by: fmt.Sprint(s.next)}
	s.mu.Unlock()
	errs, err := m.Propose(ctx, []specs.Transaction{{{Ref: specs.Set(register, row.Version, specs.Ref{Commit: do.by})}}})
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		s.note(id, do, answer{lost: true}, began, time.Time{})
	case err != nil:
		return // nothing was written
	case errors.Is(errs[0], store.ErrConflict):
		s.note(id, do, answer{}, began, time.Now())
	case errs[0] == nil:
		s.note(id, do, answer{done: true}, began, time.Now())
	}
}

// note adds to the history. What has no end may have happened at any time.
func (s *storm) note(id int, do call, got answer, began, ended time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := int64(math.MaxInt64)
	if !ended.IsZero() {
		until = ended.UnixNano()
	}
	if got.lost {
		id = stormClients + s.next // its client goes on
	}
	if got.done {
		s.written++
	}
	s.history = append(s.history, porcupine.Operation{ClientId: id, Input: do, Call: began.UnixNano(), Output: got, Return: until})
}

func (s *storm) manager(i int) running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.managers[i]
}

// admitAll is what joining managers do: they ask whoever leads, again and again.
func (s *storm) admitAll(ctx context.Context) {
	for ctx.Err() == nil {
		for i := range s.managers {
			for j := range s.managers {
				m := s.manager(i)
				joining := m.Joining()
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				voter, err := s.manager(j).Join(ctx, joining)
				cancel()
				if err == nil && voter && joining.Fresh && m.Admit() == nil {
					s.forgive(i, m)
				}
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// forgive notes that a wiped manager votes again, unless it was ended before it
// could: the one in its place is still on probation.
func (s *storm) forgive(i int, admitted running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wiped == i && !admitted.closing.Load() {
		s.wiped = -1
	}
}

// blow does one thing after the other to the managers until ctx ends.
func (s *storm) blow(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		i := s.rng.IntN(len(s.managers))
		switch s.rng.IntN(8) {
		case 0:
			s.cut(i)
		case 1:
			s.cutOneWay(i, (i+1+s.rng.IntN(2))%3)
		case 2, 3:
			s.heal()
		case 4:
			s.kill(i)
			s.restart(t, i)
		case 5:
			s.managers[i].stop()
			s.restart(t, i)
		case 6:
			release := s.memories[i].Hang()
			time.Sleep(time.Duration(s.rng.IntN(4000)) * time.Millisecond)
			release()
		case 7:
			s.wipe(t, i)
		}
		time.Sleep(time.Duration(s.rng.IntN(1500)) * time.Millisecond)
	}
}

func (s *storm) restart(t *testing.T, i int) {
	time.Sleep(time.Duration(s.rng.IntN(1000)) * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start(t, i)
}

// wipe empties a manager's disk, but never those of two at the same time: that
// may lose what both of them, and nobody else, have acknowledged. Nor while another
// has missed who votes: see the package comment.
func (s *storm) wipe(t *testing.T, i int) {
	s.mu.Lock()
	free := s.wiped == -1 && s.othersAgree(i)
	if free {
		s.wiped = i
	}
	s.mu.Unlock()
	if free {
		s.kill(i)
		s.memories[i] = NewMemory()
		s.restart(t, i)
	}
}

// othersAgree reports whether all managers but one name the same voters.
func (s *storm) othersAgree(but int) bool {
	var agreed string
	for i, m := range s.managers {
		if i == but {
			continue
		}
		members, err := m.Members()
		if err != nil {
			return false
		}
		voters := ""
		for _, member := range members {
			if member.Voter {
				voters += member.ID + " "
			}
		}
		if agreed != "" && voters != agreed {
			return false
		}
		agreed = voters
	}
	return true
}

// calm ends the storm and reads once more.
func (s *storm) calm(t *testing.T) {
	s.heal()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s.admitAll(ctx)
	defer func() {
		if t.Failed() {
			s.describe(t)
		}
	}()
	leader := s.leading(t)
	s.read(t.Context(), 0, leader, time.Now())
	time.Sleep(time.Second)
	s.wantOneDigest(t)
	if !slices.ContainsFunc(s.history, func(op porcupine.Operation) bool { return op.Input.(call).read != "" }) {
		t.Error("nothing was read")
	}
}

func (s *storm) describe(t *testing.T) {
	t.Logf("wiped is %d", s.wiped)
	for _, m := range s.managers {
		members, err := m.Members()
		t.Logf("%v joining %+v members %+v (%v)", m.raft.Stats(), m.Joining(), members, err)
	}
}
