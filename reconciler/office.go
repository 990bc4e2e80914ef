package reconciler

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// office is whether a manager leads: whether its term has begun.
type office struct {
	atomic.Bool
	changed bell.Bell
}

// Store begins or ends the office.
func (o *office) Store(held bool) {
	o.Bool.Store(held)
	o.changed.Ring()
}

// Leader is the ID of the node that leads, "" while nobody is known to. A
// manager leads once its term has begun, and until it hands over.
func (m *Manager) Leader() string {
	id, _ := m.raft.Leader()
	if id == m.cfg.NodeID && !m.writes() {
		return ""
	}
	return id
}

// writes reports whether this manager leads and may write.
func (m *Manager) writes() bool { return m.leading.Load() && m.raft.Writes() }

// Leaderless is how long nobody has been known to lead.
func (m *Manager) Leaderless() time.Duration { return m.raft.Leaderless() }

// leader is where requests of people go, if that is another manager. One that is
// alone answers them itself before its term, too: it is about to lead.
func (m *Manager) leader() (api.Leader, bool) {
	turn, begun := m.raft.Changed(), m.leading.changed.Next()
	id, addr := m.raft.Leader()
	self := id == m.cfg.NodeID
	switch nobody := addr == ""; {
	case self && m.writes(), (self || nobody) && len(m.members()) < 2:
		return api.Leader{NodeID: m.cfg.NodeID, Succeeded: func(ctx context.Context) {
			select {
			case <-turn:
			case <-begun:
			case <-ctx.Done():
			}
		}}, true
	case self || nobody:
		return api.Leader{Leaderless: m.Leaderless(), Succeeded: func(ctx context.Context) { m.succeeded(ctx, "") }}, false
	}
	return api.Leader{
		NodeID:    id,
		Dial:      func(ctx context.Context) (net.Conn, error) { return m.cfg.Dial(ctx, addr) },
		Succeeded: func(ctx context.Context) { m.succeeded(ctx, id) },
	}, true
}

// succeeded waits until another manager than that one leads, or ctx ends. Nobody
// is no other: the leader may have been slow.
func (m *Manager) succeeded(ctx context.Context, leader string) {
	for {
		turn, begun := m.raft.Changed(), m.leading.changed.Next()
		if id := m.Leader(); id != "" && id != leader {
			return
		}
		select {
		case <-turn:
		case <-begun:
		case <-ctx.Done():
			return
		}
	}
}

// leads waits until a manager leads, or ctx ends, and tells whether it is this one.
func (m *Manager) leads(ctx context.Context) bool {
	m.succeeded(ctx, "")
	return m.Leader() == m.cfg.NodeID
}
