package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// openPatience is how long a node that has connected may take to open its session.
const openPatience = 10 * time.Second

// session answers one node for as long as it stays connected.
func (d *Dispatcher) session(ctx context.Context, node *wire.ManagerEnd) error {
	peer, known := wire.Peer(ctx)
	if !known {
		return wire.Errorf(wire.Unauthenticated, "a session is opened by a node with a certificate of the cluster")
	}
	open, err := opening(ctx, node)
	if err != nil {
		return err
	}
	t, err := d.leads(ctx)
	if err != nil {
		return d.redirect(ctx, node.Send)
	}
	s, err := t.open(peer.NodeID, open.Trouble)
	if err != nil {
		return err
	}
	defer t.close(s)
	if err := t.writeReady(ctx, s, open.Description); err != nil {
		return err
	}
	t.Log.InfoContext(ctx, "node connected", "node", s.nodeID)
	flows, ctx := errgroup.WithContext(ctx)
	flows.Go(func() error { return t.tell(ctx, s, node.Send) })
	flows.Go(func() error { return t.attend(ctx, s, node) })
	return flows.Wait()
}

// opening is the first that a node says.
func opening(ctx context.Context, node *wire.ManagerEnd) (*wire.Open, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, openPatience, wire.Errorf(wire.DeadlineExceeded, "no session was opened within %s", openPatience))
	defer cancel()
	m, err := node.Receive(ctx)
	if err == nil && m.Open == nil {
		err = wire.Errorf(wire.InvalidArgument, "a session begins with its opening")
	}
	return m.Open, err
}

// leads is the term of a manager that leads, as the others have agreed since the
// call. One that was deposed while it was frozen would have the node stop what its
// successor wants. On a session that is open already it says nothing out of order:
// what it tells was agreed on, none of it is older than what the session began with,
// and the node hears of no successor before it has left that session for good.
func (d *Dispatcher) leads(ctx context.Context) (*term, error) {
	t, err := d.current()
	if err == nil {
		err = d.Confirm(ctx)
	}
	return t, err
}

// leaderPatience is how long a node is kept waiting for a leader to be elected:
// longer than that takes. Another manager may know one when this one does not.
const leaderPatience = 2 * time.Second

// redirect answers a node that came to a manager which does not lead. While
// nobody leads it waits a little for who will: the node goes there at once.
func (d *Dispatcher) redirect(ctx context.Context, send func(wire.ManagerMessage) error) error {
	patience := time.NewTimer(leaderPatience)
	defer patience.Stop()
	managers, changed := d.Managers()
	for waiting := true; waiting && leaderOf(managers) == ""; managers, changed = d.Managers() {
		select {
		case <-changed:
		case <-patience.C:
			waiting = false
		case <-ctx.Done():
			return nil
		}
	}
	if err := send(wire.ManagerMessage{Place: &wire.Place{Managers: managers}}); err != nil {
		return err
	}
	return notLeader(managers)
}

// tell tells a node what it has to know and do, now and as that changes, until the
// session or ctx ends. A node that takes nothing for wire.SendTimeout is cut off.
func (t *term) tell(ctx context.Context, s *session, send func(wire.ManagerMessage) error) error {
	place, tasks := &placer{term: t, session: s}, newAssigner(s)
	first := place.look()
	t.welcome(s, time.Duration(first.Heartbeat))
	if err := send(wire.ManagerMessage{Place: first}); err != nil { // at once, however many tasks there are
		return err
	}
	all := tasks.everything(t.Store.Snapshot(), true)
	reports, waiting := s.reports, new(batch) // the node's report that is not committed yet
	for news := (wire.ManagerMessage{Assignments: &all}); ; {
		if news != (wire.ManagerMessage{}) {
			if err := send(news); err != nil {
				return err
			}
		}
		news = wire.ManagerMessage{}
		select {
		case <-s.look:
			news.Place = place.look()
		case <-place.managers:
			news.Place = place.look()
		case <-place.renew:
			news.Place = place.look()
		case <-tasks.ready():
			news.Assignments = tasks.news(t.Store.Snapshot())
		case <-tasks.rest:
			tasks.rested()
		case <-s.asked.wake:
			news = s.asked.take()
		case waiting = <-reports:
			reports = nil
		case <-waiting.done:
			var err error
			if news.Reported, err = waiting.reply(); err != nil {
				return err
			}
			reports, waiting = s.reports, new(batch)
		case <-s.gone:
			return s.why
		case <-ctx.Done():
			t.Log.InfoContext(ctx, "node disconnected", "node", s.nodeID)
			return nil
		}
	}
}

// placer looks at a node's place in the cluster. It belongs to the goroutine of
// the session.
type placer struct {
	*term
	*session
	told            wire.Place
	managers, renew <-chan struct{} // closed when it may be another
}

// look is the node's place, nil if that is what it was told last.
func (p *placer) look() *wire.Place {
	now := wire.Place{SessionID: p.id, Heartbeat: specs.Duration(p.period())}
	now.Managers, p.managers = p.Managers()
	now.Renew, p.renew = p.Renew(p.nodeID)
	node, _ := p.Store.Snapshot().Node(p.nodeID) // a node that is gone has no session for long
	now.Role = node.Spec.Role
	if slices.ContainsFunc(now.Managers, func(other wire.Manager) bool { return other.NodeID == p.nodeID }) {
		now.Role = specs.Manager // until the others can do without its vote
	}
	if reflect.DeepEqual(now, p.told) {
		return nil
	}
	p.told = now
	return &now
}

// attend hears what the node says until the session or ctx ends.
func (t *term) attend(ctx context.Context, s *session, node *wire.ManagerEnd) error {
	for {
		m, err := node.Receive(ctx)
		if err != nil {
			return err
		}
		if m.Heartbeat != nil {
			if err := node.Send(wire.ManagerMessage{Heard: t.heartbeat(s, *m.Heartbeat)}); err != nil {
				return err
			}
		}
		if m.Report != nil {
			if err := t.report(ctx, s, *m.Report); err != nil {
				return err
			}
		}
		if m.Unable != nil {
			t.unable(s, *m.Unable)
		}
	}
}

// unable tells who waits for logs or a command of the node that there are none.
func (t *term) unable(s *session, u wire.Unable) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var refused chan<- string // nil if nobody waits any more
	if to := t.sinks[u.RequestID]; to != nil && to.nodeID == s.nodeID {
		refused = to.refused
	}
	if p := t.pending[u.RequestID]; p != nil && p.nodeID == s.nodeID {
		refused = p.refused
	}
	select {
	case refused <- u.Why:
	default: // or it said so before
	}
}

// heartbeat gives the node another grace.
func (t *term) heartbeat(s *session, beat wire.Heartbeat) *wire.Heard {
	now, period := time.Now(), t.period()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[s.id] == s {
		t.hear(s.nodeID, now, period)
		s.trouble = beat.Trouble
	}
	return &wire.Heard{Next: specs.Duration(nextBeat(now, period))}
}

// writeReady writes down that the node is here and what it is.
func (t *term) writeReady(ctx context.Context, s *session, description specs.NodeDescription) error {
	for {
		node, known := t.Store.Snapshot().Node(s.nodeID)
		if !known {
			return wire.Errorf(wire.NotFound, "node %s was removed from the cluster", s.nodeID)
		}
		seen := node.Seen
		if seen.Status != specs.NodeReady {
			seen.Status, seen.Since = specs.NodeReady, t.Now()
		}
		seen.Description = description
		introduce(ctx, &seen)
		if reflect.DeepEqual(seen, node.Seen) {
			return nil
		}
		err := t.writeNode(ctx, node, seen)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// introduce takes over what the connection says of the node. One within the
// process says nothing.
func introduce(ctx context.Context, seen *specs.NodeSeen) {
	if from, err := netip.ParseAddrPort(wire.CallerAddr(ctx)); err == nil {
		seen.Addr = from.Addr().Unmap().WithZone("").String()
	}
	now, was := wire.PeerCertificate(ctx), seen.Certificate
	if now.Issuer != "" && (now.Role != was.Role || now.Issuer != was.Issuer || !now.NotAfter.Equal(was.NotAfter)) {
		seen.Certificate = now
	}
}

func (t *term) writeNode(ctx context.Context, node specs.Node, seen specs.NodeSeen) error {
	errs, err := t.Propose.Propose(ctx, []specs.Transaction{nodeSeen(node, seen)})
	if err == nil {
		err = errs[0]
	}
	if err != nil {
		return fmt.Errorf("write that node %s is %s: %w", node.ID, seen.Status, err)
	}
	return nil
}

func nodeSeen(node specs.Node, seen specs.NodeSeen) specs.Transaction {
	return specs.Transaction{{NodeSeen: specs.Set(node.ID, node.SeenVersion, seen)}}
}

// mailbox holds what people want of a node until it is told.
type mailbox struct {
	wake chan struct{} // readable when something may be there

	mu      sync.Mutex
	waiting []wire.ManagerMessage
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

func (m *mailbox) put(wish wire.ManagerMessage) {
	m.mu.Lock()
	m.waiting = append(m.waiting, wish)
	m.mu.Unlock()
	signal(m.wake)
}

// take returns the oldest, the zero message if there is none.
func (m *mailbox) take() (wish wire.ManagerMessage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) == 0 {
		return wish
	}
	wish, m.waiting = m.waiting[0], m.waiting[1:]
	if len(m.waiting) > 0 {
		signal(m.wake)
	}
	return wish
}
