package agent_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/dispatcher"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// manager is one manager of a cluster: who leads is the cluster's, so that the
// store moves on as if Raft were between them.
type manager struct {
	*cluster
	addr       string
	dispatcher *dispatcher.Dispatcher
	pipes      map[wire.Protocol]*wire.Pipe

	// Guarded by the cluster's mutex.
	state    reachability
	believes string // the address that it takes for the leader's, if that is wrong
}

type reachability int

const (
	reachable reachability = iota
	dead                   // refuses connections
	cutOff                 // answers nothing, and nothing that it proposes is committed
)

func newManager(c *cluster, addr string) *manager {
	m := &manager{cluster: c, addr: addr, pipes: map[wire.Protocol]*wire.Pipe{wire.Calls: wire.NewPipe(), wire.Sessions: wire.NewPipe()}}
	m.dispatcher = dispatcher.New(dispatcher.Config{Store: c.store, Propose: m, Log: c.log.With("manager", addr), Managers: m.view, Content: c.content, Login: c.login})
	mux := http.NewServeMux()
	m.dispatcher.Register(mux)
	run(c.T, "serve", func(ctx context.Context) error { return wire.Serve(ctx, m.pipes[wire.Calls], mux) })
	run(c.T, "sessions", func(ctx context.Context) error { return m.dispatcher.ServeSessions(ctx, m.pipes[wire.Sessions]) })
	return m
}

// lead begins a term of the manager.
func (m *manager) lead() part {
	m.elect(m)
	return run(m.T, "dispatcher "+m.addr, m.dispatcher.Run)
}

// view is the managers as this one sees them.
func (m *manager) view() (all []wire.Manager, moved <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.managers {
		leads := other == m.leader
		if m.believes != "" {
			leads = other.addr == m.believes
		}
		all = append(all, wire.Manager{NodeID: "of " + other.addr, Addr: other.addr, Leader: leads})
	}
	return all, m.moved
}

func (m *manager) become(s reachability) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
}

func (m *manager) believe(addr string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.believes = addr
}

// reach finds the manager at an address, as a dialer would.
func (c *cluster) reach(ctx context.Context, addr string) (*manager, error) {
	for _, m := range c.managers {
		if m.addr != addr {
			continue
		}
		c.mu.Lock()
		state := m.state
		c.mu.Unlock()
		switch state {
		case dead:
			return nil, wire.Errorf(wire.Unavailable, "connection refused")
		case cutOff:
			select {
			case <-time.After(5 * time.Second):
				return nil, wire.Errorf(wire.Unavailable, "no answer in 5s")
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return m, nil
	}
	return nil, fmt.Errorf("no such host: %q", addr)
}

// Propose applies at once if the manager is not cut off.
func (m *manager) Propose(_ context.Context, txs []specs.Transaction) ([]error, error) {
	time.Sleep(m.latency)
	m.mu.Lock()
	defer m.mu.Unlock()
	f := none
	if m.fail != nil {
		f = m.fail(txs)
	}
	if f == notDone || m.state != reachable {
		return nil, errors.New("no quorum")
	}
	m.index++
	m.entries++
	errs := m.store.Apply(m.index, txs)
	if f == doneButFailed {
		return nil, errors.New("outcome unknown")
	}
	return errs, nil
}
