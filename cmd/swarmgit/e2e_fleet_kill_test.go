package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// killedLeaders kills whoever leads at each step of a push, while two people push.
// The branch has one history that agrees with all that they were told.
func killedLeaders(t *testing.T, f *realFleet) {
	s := &pushStory{t: t, fleet: f, began: time.Now(), over: make(chan struct{})}
	var pushing sync.WaitGroup
	for i := range 2 {
		p := &pusher{pushStory: s, realCluster: f.person(t, f.nodes[i]), id: i, at: i}
		s.first = p.head("HEAD")
		pushing.Go(p.push)
	}
	stop := sync.OnceFunc(func() {
		close(s.over)
		pushing.Wait()
	})
	defer stop()
	var took []time.Duration
	for _, m := range moments() {
		known := s.acknowledged()
		f.await(t, "a push works before "+m.name, func() bool { return s.acknowledged() > known })
		leader := f.strike(t, m)
		killed := time.Now()
		f.awaitLeader(t, leader)
		took = append(took, time.Since(killed))
		f.launch(t, leader)
	}
	stop()
	f.allVote(t)
	p := f.person(t, f.nodes[0])
	s.check(p)
	leader := f.awaitLeader(t)
	do(t, p.sit(f.followers(leader)[0]))
	f.struckWatching(t, p, leader)
	f.launch(t, leader)
	f.allVote(t)
	f.intact(t)
	slices.Sort(took)
	t.Logf("another manager led after %s (half of %d kills) and %s (at most); %d pushes acknowledged, %d not",
		took[len(took)/2].Round(time.Millisecond), len(took), took[len(took)-1].Round(time.Millisecond), len(s.acked), s.unknown)
}

// pushStory is what people did to the branch, and what they were told.
type pushStory struct {
	t     *testing.T
	fleet *realFleet
	began time.Time
	first string // where the branch was
	over  chan struct{}

	mu      sync.Mutex
	history []porcupine.Operation
	acked   []string
	unknown int
}

// refCall is an operation on the branch: it is read, or moved from its parent.
type refCall struct{ from, to string }

// refAnswer is what came of it: what was read, or whether the move was
// acknowledged. One that was not may have happened.
type refAnswer struct {
	read string
	ok   bool
}

// branch says which answers one branch can give. Whoever finds it where he wants
// it is told that all is well too.
func branch(first string) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return first },
		Step: func(state, in, out any) (bool, any) {
			at, do, got := state.(string), in.(refCall), out.(refAnswer)
			switch {
			case do.to == "":
				return got.read == at, at
			case at == do.from:
				return true, do.to
			}
			return !got.ok || at == do.to, at
		},
	}
}

func (s *pushStory) note(id int, began time.Time, do refCall, got refAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended := time.Since(s.began).Nanoseconds()
	switch {
	case do.to == "":
	case got.ok:
		s.acked = append(s.acked, do.to)
	default:
		s.unknown++
		ended = math.MaxInt64 // it may happen yet
	}
	s.history = append(s.history, porcupine.Operation{
		ClientId: id, Input: do, Output: got, Call: began.Sub(s.began).Nanoseconds(), Return: ended,
	})
}

// acknowledged is how many pushes were.
func (s *pushStory) acknowledged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.acked)
}

// check compares what was told with what the branch is in the end.
func (s *pushStory) check(p *realCluster) {
	t := s.t
	t.Helper()
	s.note(2, time.Now(), refCall{}, refAnswer{read: strings.TrimSpace(p.mustGit(t, "rev-parse", "swarm/main"))})
	commits := strings.Fields(p.mustGit(t, "rev-list", "swarm/main"))
	for _, commit := range s.acked {
		if !slices.Contains(commits, commit) {
			t.Errorf("git said ok to %s, and it is lost", commit)
		}
	}
	if len(s.acked) == 0 {
		t.Error("nothing was acknowledged")
	}
	if got := porcupine.CheckOperationsTimeout(branch(s.first), s.history, 5*time.Minute); got != porcupine.Ok {
		t.Errorf("%d operations are in no order: %s", len(s.history), got)
	}
}

// pusher is a person who changes a stack of his own.
type pusher struct {
	*pushStory
	*realCluster
	id int
	at int // the manager that is asked
}

// push makes one change after the other until the story ends. Each is pushed
// until it is in.
func (p *pusher) push() {
	for change := 0; ; change++ {
		if err := p.edit(change); err != nil {
			p.t.Error(err)
			return
		}
		for in := false; !in; {
			select {
			case <-p.over:
				return
			default:
			}
			in = p.attempt() || p.catchUp() || p.catchUp() || p.catchUp()
		}
	}
}

func (p *pusher) edit(change int) error {
	name := fmt.Sprintf("stacks/person%d/stack.yml", p.id)
	path := filepath.Join(p.path("clone"), name)
	text := fmt.Sprintf("services:\n  web:\n    image: shop/web:1\n    deploy: {labels: {change: \"%d\"}}\n", change)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return err
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "-m", fmt.Sprintf("person %d, change %d", p.id, change)}} {
		if out, err := p.git(args...); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// attempt pushes once and reports whether git said ok.
func (p *pusher) attempt() bool {
	do := refCall{from: p.head("HEAD^"), to: p.head("HEAD")}
	began := time.Now()
	_, err := p.git("push", "-o", "no-wait", "swarm", "main")
	p.note(p.id, began, do, refAnswer{ok: err == nil})
	return err == nil
}

// catchUp does what git advises after a push that failed, at the first manager
// that answers, and reports whether the change was in all the same.
func (p *pusher) catchUp() bool {
	began := time.Now()
	if _, err := p.git("fetch", "--quiet", "swarm"); err != nil {
		p.at = (p.at + 1) % p.fleet.managers
		if err := p.sit(p.fleet.nodes[p.at]); err != nil {
			p.t.Error(err)
		}
		return false
	}
	p.note(p.id, began, refCall{}, refAnswer{read: p.head("swarm/main")})
	if out, err := p.git("rebase", "--quiet", "swarm/main"); err != nil {
		p.t.Errorf("rebase: %v: %s", err, out)
		return false
	}
	return p.head("HEAD") == p.head("swarm/main")
}

func (p *pusher) head(rev string) string {
	out, err := p.git("rev-parse", rev)
	if err != nil {
		p.t.Errorf("rev-parse %s: %v: %s", rev, err, out)
	}
	return strings.TrimSpace(out)
}
