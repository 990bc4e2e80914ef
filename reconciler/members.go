package reconciler

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/consensus"
	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// stepPause is between two steps of a manager on its way to its vote.
	stepPause = 200 * time.Millisecond
	// stepPatience bounds one of them.
	stepPatience = 10 * time.Second
	// hindrancePatience is how long a step must have failed until that is told: in a
	// second or two a manager that was added is reached, or the next one leads.
	hindrancePatience = 2 * time.Second
	// rolesPause is between two tries to take out a manager that is to be none.
	rolesPause = 5 * time.Second
)

// takePart asks the leader for a vote until this manager has it. It does so at
// every start: a manager whose address has changed is found again by that. It does
// so again whenever nobody leads it for long: it may have been demoted and promoted
// meanwhile, and nobody would ask it back.
func (m *Manager) takePart(ctx context.Context) error {
	for pause := stepPause; ; pause = standingPause {
		if err := m.seekVote(ctx, pause); err != nil {
			return err
		}
		for led := true; led; led = m.raft.Leaderless() < standingPause {
			if err := bell.Sleep(ctx, standingPause); err != nil {
				return err
			}
		}
	}
}

// seekVote asks until this manager has its vote, after pauses while nobody gives it
// one.
func (m *Manager) seekVote(ctx context.Context, pause time.Duration) error {
	said, since := "", time.Now()
	for {
		reply, err := m.step(ctx)
		rest := stepPause
		switch {
		case reply.Voter:
			m.hindrance.Store(nil)
			return m.begin(ctx, reply.Index)
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			said, since = "", time.Now()
			m.hindrance.Store(nil)
		default:
			rest = pause
			if err.Error() != said && time.Since(since) > hindrancePatience {
				said = err.Error() // told once
				m.hindrance.Store(new(strings.ReplaceAll(said, "\n", "; ")))
				m.log.WarnContext(ctx, "this manager does not take part yet; trying again", "err", err)
			}
		}
		if bell.Sleep(ctx, rest) != nil {
			return ctx.Err()
		}
	}
}

// begin uses the vote. The manager answers people once it has the changes that
// the leader has now; one that leads does so when its term begins.
func (m *Manager) begin(ctx context.Context, index uint64) error {
	if err := m.raft.Admit(); err != nil || index == 0 {
		return err
	}
	if err := m.raft.WaitApplied(ctx, index); err != nil {
		return ctx.Err() // nil when closed
	}
	m.started.Do(func() { close(m.ready) })
	return nil
}

// step is one request to whoever leads.
func (m *Manager) step(ctx context.Context) (reply wire.JoinManagersReply, err error) {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	me := m.raft.Joining()
	id, at := m.raft.Leader()
	if id == m.cfg.NodeID {
		reply.Voter, err = m.raft.Join(ctx, me)
		return reply, err
	}
	ask := func(ctx context.Context, addr string) (wire.JoinManagersReply, error) {
		return m.stepAt(ctx, addr, wire.JoinManagersRequest{
			Address: me.Address, Applied: me.Applied, Fresh: me.Fresh, Format: me.Format,
		})
	}
	var errs []error
	said := map[string]bool{} // what the leader answers, whoever was asked for it
	for _, asked := range wire.Race(ctx, m.leaders(at), ask, func(wire.JoinManagersReply) {}) {
		if asked.Err == nil {
			return asked.Answer, nil
		}
		if !said[asked.Err.Error()] {
			errs = append(errs, fmt.Errorf("ask %s: %w", asked.Addr, asked.Err))
		}
		said[asked.Err.Error()] = true
	}
	return reply, errors.Join(errs...) // nil while nobody is known: this manager may lead itself
}

// leaders are the addresses where the leader may be: where Raft sees it, or
// wherever this node has heard of a manager.
func (m *Manager) leaders(at string) []string {
	if at != "" {
		return []string{at}
	}
	var addrs []string
	if m.cfg.Known == nil {
		return nil
	}
	for _, known := range m.cfg.Known() {
		switch {
		case known.NodeID == m.cfg.NodeID, known.Addr == m.address(): // this one, or one that was here before
		case known.Leader:
			addrs = slices.Insert(addrs, 0, known.Addr)
		default:
			addrs = append(addrs, known.Addr)
		}
	}
	return addrs
}

// stepAt asks one manager, and the leader that it names.
func (m *Manager) stepAt(ctx context.Context, addr string, req wire.JoinManagersRequest) (reply wire.JoinManagersReply, err error) {
	for range 2 {
		reply, err = wire.JoinManagers.Call(ctx, m.calls.to(addr), req)
		if err != nil || reply.Leader == "" {
			return reply, err
		}
		addr = reply.Leader
	}
	return reply, errors.New("the managers do not agree on who leads")
}

// join answers a manager that asks for its vote.
func (m *Manager) join(ctx context.Context, req wire.JoinManagersRequest) (wire.JoinManagersReply, error) {
	peer, _ := wire.Peer(ctx) // wire.Authorize lets managers through only
	if id, at := m.raft.Leader(); id != m.cfg.NodeID {
		if at == "" {
			return wire.JoinManagersReply{}, errNoLeader
		}
		return wire.JoinManagersReply{Leader: at}, nil
	}
	if node, ok := m.store.Snapshot().Node(peer.NodeID); !ok || node.Spec.Role != specs.Manager {
		return wire.JoinManagersReply{}, wire.Errorf(wire.PermissionDenied, "node %s is not to be a manager", peer.NodeID)
	}
	voter, err := m.raft.Join(ctx, consensus.Joining{
		ID: peer.NodeID, Address: req.Address, Applied: req.Applied, Fresh: req.Fresh, Format: req.Format,
	})
	if err == nil && !voter && !m.raft.Reachable(peer.NodeID) {
		err = fmt.Errorf("no answer from it at %s: let the other managers reach it there, or start its daemon with the --advertise at which they do", req.Address)
	}
	m.newcomers.note(peer.NodeID, err)
	if err != nil {
		return wire.JoinManagersReply{}, wire.Errorf(wire.Unavailable, "let manager %s at %s take part: %w", peer.NodeID, req.Address, err)
	}
	return wire.JoinManagersReply{Voter: voter, Index: m.raft.AppliedIndex()}, nil
}

// newcomers is why nodes that ask for a vote have none yet, as the leader finds.
type newcomers struct {
	mu  sync.Mutex
	why map[string]error // by node; without one nothing hinders it
}

// note is told how the newest request of the node went.
func (n *newcomers) note(nodeID string, why error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.why, nodeID)
	if why == nil {
		return
	}
	if n.why == nil {
		n.why = map[string]error{}
	}
	n.why[nodeID] = why
}

func (n *newcomers) hindered(nodeID string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.why[nodeID]
}

// hindered is what keeps the node from a vote that it is to have, "" if nothing does.
func (m *Manager) hindered(nodeID string) string {
	node, _ := m.store.Snapshot().Node(nodeID)
	_, votes := m.Managers()[nodeID]
	why := m.newcomers.hindered(nodeID)
	if why == nil || votes || node.Spec.Role != specs.Manager {
		return ""
	}
	return "has no vote as a manager yet: " + why.Error()
}

var errNoLeader = wire.Errorf(wire.Unavailable, "no manager leads right now: try again in a moment")

// roles follows who is to be a manager: those that are not any more, because they
// were demoted or their node was removed, are taken out, and entries are written
// so that all others read them. It ends with ctx.
func (m *Manager) roles(ctx context.Context) error {
	feed := m.store.Subscribe()
	defer feed.Close()
	for {
		moved := m.raft.Changed()
		snap := m.store.Snapshot()
		m.format.Store(int64(commonFormat(snap)))
		var again <-chan time.Time
		if err := m.demote(ctx, snap); err != nil && ctx.Err() == nil {
			m.log.WarnContext(ctx, "a manager that is to be none is still one; trying again", "err", err)
			again = time.After(rolesPause)
		}
		for waiting := true; waiting; {
			select {
			case <-feed.Wait():
				_, touched := feed.Take()
				waiting = !touched.All && len(touched.Nodes) == 0
			case <-moved:
				waiting = false
			case <-again:
				waiting = false
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// commonFormat is the newest of entries that every manager reads, and every node
// that may soon be one.
func commonFormat(snap store.Snapshot) int {
	var formats []int
	for node := range snap.Nodes() {
		if node.Spec.Role == specs.Manager {
			formats = append(formats, node.Seen.Description.Format)
		}
	}
	return consensus.Usable(formats)
}

// Format is the newest form of entries that every manager reads.
func (m *Manager) Format() int { return commonFormat(m.store.Snapshot()) }

// demote takes out one such manager at a time, the first that the others can do
// without: each removal changes how many they need.
func (m *Manager) demote(ctx context.Context, snap store.Snapshot) error {
	var errs []error
	for _, member := range m.members() {
		if node, ok := snap.Node(member.ID); ok && node.Spec.Role == specs.Manager {
			continue
		}
		err := m.raft.Remove(ctx, member.ID)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Whereabouts are where nodes and other managers reach the managers.
func (m *Manager) Whereabouts() []wire.Manager {
	var all []wire.Manager
	for _, member := range m.members() {
		all = append(all, wire.Manager{NodeID: member.ID, Addr: member.Address, Leader: member.Leader})
	}
	return all
}

// whereabouts are the same, and a channel that closes when they change.
func (m *Manager) whereabouts() ([]wire.Manager, <-chan struct{}) {
	changed := m.raft.Changed()
	return m.Whereabouts(), changed
}

// members are the managers as Raft knows them; none while it closes.
func (m *Manager) members() []consensus.Member {
	members, err := m.raft.Members()
	if err != nil {
		return nil
	}
	return members
}

// peers are the other managers, all of them, whether or not they are reached: a
// push needs a majority.
func (m *Manager) peers() []git.Peer {
	var peers []git.Peer
	for _, member := range m.members() {
		if member.Voter && member.ID != m.cfg.NodeID {
			peers = append(peers, git.Peer{Name: m.hostname(member.ID), Client: m.calls.to(member.Address)})
		}
	}
	return peers
}

// address is where other nodes reach this manager; nowhere without a network.
func (m *Manager) address() string {
	if m.cfg.Network == nil {
		return ""
	}
	return m.cfg.Network.Address()
}

// hostname is what people call a node.
func (m *Manager) hostname(nodeID string) string { return m.store.Snapshot().NodeName(nodeID) }

// calls keeps a connection to each manager that was called.
type calls struct {
	dial Dial

	mu     sync.Mutex
	byAddr map[string]*wire.Client
}

func newCalls(dial Dial) *calls { return &calls{dial: dial, byAddr: map[string]*wire.Client{}} }

// to returns a client of the manager at addr, which is not to be closed.
func (c *calls) to(addr string) *wire.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	client := c.byAddr[addr]
	if client == nil {
		client = wire.NewClient(func(ctx context.Context) (net.Conn, error) { return c.dial(ctx, addr) })
		c.byAddr[addr] = client
	}
	return client
}

func (c *calls) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range c.byAddr {
		client.Close()
	}
}
