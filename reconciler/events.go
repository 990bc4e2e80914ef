package reconciler

import (
	"context"

	"github.com/swarmgit/swarmgit/reconciler/events"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// keepEvents notes what happens, on every manager, until ctx ends. Who leads is in
// no row: each manager notes it when it hears of it and has read who that is.
func (m *Manager) keepEvents(ctx context.Context) error {
	feed := m.store.Subscribe()
	defer feed.Close()
	before, leader := store.New().Snapshot(), ""
	for {
		changed := m.raft.Changed()
		if id, _ := m.raft.Leader(); id != leader && (id == "" || known(before, id)) {
			m.events.Add(m.leaderEvent(leader, id))
			leader = id
		}
		select {
		case <-feed.Wait():
			after, touched := feed.Take()
			m.events.Add(events.Between(before, after, touched, m.raft.AppliedAt())...)
			before = after
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

func known(snap store.Snapshot, nodeID string) bool {
	_, ok := snap.Node(nodeID)
	return ok
}

// leaderEvent tells that another manager leads, or nobody.
func (m *Manager) leaderEvent(was, is string) specs.Event {
	e := specs.Event{Time: m.raft.Now(), Type: specs.EventLeader, Action: "elected", ID: is}
	if is == "" {
		e.Action, e.ID, e.Message = "lost", was, "nobody leads"
	}
	e.Name = m.hostname(e.ID)
	e.Node = e.Name
	return e
}
