package agent

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// managers is which managers the node knows and which of them is asked next. It
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

// next is the address to ask now: the leader's, unless that was of no use just
// now, or since it was named: one that does not answer costs time, and the others
// know who leads instead. Else it is one of those that were asked in vain the
// longest ago, at random. It is empty when no manager is known.
func (m *managers) next(now time.Time) string {
	if leader := m.leader(); leader != "" && !m.doubted && now.Sub(m.vain[leader]) >= lastPause {
		return leader
	}
	addrs := m.addrs()
	if len(addrs) == 0 {
		return ""
	}
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	return slices.MinFunc(addrs, func(a, b string) int { return m.vain[a].Compare(m.vain[b]) })
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
func (a *Agent) learn(ctx context.Context, told []wire.Manager) {
	if !a.managers.learn(told) {
		return
	}
	a.publish()
	if err := a.memory.keepManagers(a.managers.known); err != nil {
		a.Log.WarnContext(ctx, "the addresses of the managers cannot be written; a restarted daemon asks those it knew before", "error", err)
	}
}

// Known is where this node has heard of managers, at last or when it was
// started. It is safe for concurrent use.
func (a *Agent) Known() []wire.Manager {
	if known := a.known.Load(); known != nil {
		return *known
	}
	return nil
}

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

// nextManager is who to ask now. The manager in this process knows best who
// leads.
func (a *Agent) nextManager(ctx context.Context) (string, error) {
	if a.Local != nil {
		a.learn(ctx, a.Local())
	}
	addr := a.managers.next(time.Now())
	if addr == "" {
		return "", errNoManager
	}
	return addr, nil
}
