package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// managers is which managers the node knows and in which order they are asked. It
// is used by one goroutine at a time.
type managers struct {
	known   []wire.Manager       // as one of them told last
	seeds   []string             // addresses that the node was started with
	vain    map[string]time.Time // by address: when it was last asked in vain
	doubted bool                 // nobody has named the leader again since it was asked in vain
}

func newManagers(seeds []string, known []wire.Manager) *managers {
	return &managers{known: known, seeds: seeds, vain: map[string]time.Time{}}
}

// learn takes over what a manager told and reports whether it is new. A manager
// that knows no addresses teaches nothing.
func (m *managers) learn(told []wire.Manager) bool {
	told = slices.DeleteFunc(slices.Clone(told), func(t wire.Manager) bool { return t.Addr == "" })
	if len(told) == 0 {
		return false
	}
	m.doubted = false
	if slices.Equal(told, m.known) {
		return false
	}
	m.known = told
	return true
}

// leader is the address of who leads, as it was told last; it is empty when
// nobody is known to.
func (m *managers) leader() string {
	for _, manager := range m.known {
		if manager.Leader {
			return manager.Addr
		}
	}
	return ""
}

// inVain notes that the manager gave no session, or ended one.
func (m *managers) inVain(addr string, now time.Time) {
	m.vain[addr] = now
	if addr == m.leader() {
		m.doubted = true
	}
}

// order is whom to ask now, the likeliest first: the leader, unless that was of
// no use just now, or since it was named, for the others know who leads instead.
// Then those that were asked in vain the longest ago, at random.
func (m *managers) order(now time.Time) []string {
	addrs := m.addrs()
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	slices.SortStableFunc(addrs, func(a, b string) int { return m.vain[a].Compare(m.vain[b]) })
	if leader := m.leader(); leader != "" && !m.doubted && now.Sub(m.vain[leader]) >= lastPause {
		return first(leader, addrs)
	}
	return addrs
}

// first has one address before the others.
func first(addr string, others []string) []string {
	return append([]string{addr}, slices.DeleteFunc(others, func(other string) bool { return other == addr })...)
}

// addrs is every address once.
func (m *managers) addrs() []string {
	addrs := slices.Clone(m.seeds)
	for _, manager := range m.known {
		addrs = append(addrs, manager.Addr)
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}

// learn takes over what a manager told of the managers, on disk too.
func (a *Agent) learn(told []wire.Manager) {
	if a.managers.learn(told) {
		a.publish()
		a.memory.keepManagers(a.managers.known)
	}
}

// Remembered is what the node that keeps its memory in dir has heard of the
// managers at last, for when no agent runs there; nothing if it never did.
func Remembered(dir string) ([]wire.Manager, error) {
	was, err := readMemory(filepath.Join(dir, memoryFile))
	return was.managers, err
}

// Known is where this node has heard of managers, at last or when it was
// started. It is safe for concurrent use.
func (a *Agent) Known() []wire.Manager {
	if known := a.known.Load(); known != nil {
		return *known
	}
	return nil
}

// Connected reports whether a manager keeps a session with this node now. It is
// safe for concurrent use.
func (a *Agent) Connected() bool { return a.desk.session.Load() != nil }

// Removed reports whether a manager has said, since the last session, that this node
// was removed from the cluster. It is safe for concurrent use.
func (a *Agent) Removed() bool { return a.removed.Load() }

// publish makes what is known of the managers known to others.
func (a *Agent) publish() {
	known := slices.Clone(a.managers.known)
	for _, addr := range a.managers.seeds {
		if !slices.ContainsFunc(known, func(m wire.Manager) bool { return m.Addr == addr }) {
			known = append(known, wire.Manager{Addr: addr})
		}
	}
	a.known.Store(&known)
}

// whom is whom to ask now. The manager in this process knows best who leads.
func (a *Agent) whom() ([]string, error) {
	if a.Local != nil {
		a.learn(a.Local())
	}
	addrs := a.managers.order(time.Now())
	if len(addrs) == 0 {
		return nil, errNoManager
	}
	return addrs, nil
}

// reach connects to the first of the managers that answers.
func (a *Agent) reach(ctx context.Context, addrs []string) (addr string, conn net.Conn, err error) {
	dial := func(ctx context.Context, addr string) (net.Conn, error) { return a.Dial(ctx, addr, wire.Sessions) }
	for _, asked := range wire.Race(ctx, addrs, dial, func(late net.Conn) { _ = late.Close() }) {
		if asked.Err == nil {
			return asked.Addr, asked.Answer, nil
		}
		a.noUse(ctx, asked.Addr, fmt.Errorf("manager %w", asked.Err)) // which names the address
		err = asked.Err
	}
	return "", nil, err
}

// noUse notes that a manager gave no session, or ended one. One that was slower
// than another is no trouble.
func (a *Agent) noUse(ctx context.Context, addr string, err error) {
	a.managers.inVain(addr, time.Now())
	if !errors.Is(err, context.Canceled) {
		a.complain(ctx, addr, err)
	}
}
