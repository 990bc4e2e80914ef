package dispatcher

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// A node may replace maxTurns of its open sessions by others within turnsWindow:
	// two daemons with one identity would else take turns without end. Who ends a
	// session before it opens the next may do so as often as its role changes.
	maxTurns    = 2
	turnsWindow = 8 * time.Second
)

// term is everything that this manager knows while it leads and forgets after.
type term struct {
	Config
	inbox    *inbox
	began    time.Time     // by the cluster's clock
	nodeGone chan struct{} // readable when a node was removed from the cluster
	sooner   chan struct{} // readable when a deadline comes before nextLook

	mu       sync.Mutex
	over     bool                   // no session opens any more
	sessions map[string]*session    // by node: the newest of each
	byID     map[string]*session    // the same ones by session ID
	turns    map[string][]time.Time // by node: within the window
	presence map[string]presence    // by node
	nextLook time.Time              // at the deadlines
	arrival  bell.Bell              // when a session opens, a node is removed, or the term is over
	sinks    map[string]*sink       // by log request
	pending  map[string]*pending    // by command request
}

func newTerm(c Config) *term {
	t := &term{
		Config: c, began: c.Now(), inbox: newInbox(), nodeGone: make(chan struct{}, 1), sooner: make(chan struct{}, 1),
		sessions: map[string]*session{}, byID: map[string]*session{}, turns: map[string][]time.Time{},
		presence: map[string]presence{}, sinks: map[string]*sink{}, pending: map[string]*pending{},
	}
	t.expectNodes(time.Now())
	return t
}

// end closes every session. Reports that are not committed are not
// acknowledged.
func (t *term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	for _, s := range t.byID {
		t.drop(s, errTermEnded)
	}
	t.arrival.Ring()
	t.inbox.close()
}

// errTermEnded is what a term's sessions end with.
var errTermEnded = wire.Errorf(wire.NotLeader, "this manager does not lead the cluster any more: ask its successor")

// session is what is known of one node while it is connected.
type session struct {
	id      string
	nodeID  string
	stream  *stream
	asked   *mailbox
	look    chan struct{} // readable when the node's own row changed
	reports chan *batch   // each that the node sent, to be acknowledged once it is committed
	turn    bool          // it replaced another

	trouble wire.Trouble // as the node told last; guarded by the term's mutex

	gone chan struct{} // closed when the session is over
	why  error         // set before gone is closed
}

// open opens a session; an older one of the same node ends.
func (t *term) open(nodeID string, trouble wire.Trouble) (*session, error) {
	if _, known := t.Store.Snapshot().Node(nodeID); !known {
		return nil, wire.Errorf(wire.NotFound,
			"node %s is not part of this cluster (was it removed?): join it again", nodeID)
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil, errTermEnded
	}
	s := newSession(nodeID)
	s.trouble = trouble
	if older := t.sessions[nodeID]; older != nil {
		if !t.mayTakeTurns(nodeID, now) {
			return nil, wire.Errorf(wire.Unavailable,
				"node %s replaced its session %d times within %s: do two daemons run with its identity?", nodeID, maxTurns, turnsWindow)
		}
		s.turn = true
		t.drop(older, wire.Errorf(wire.Unavailable, "a newer session of node %s replaced this one", nodeID))
	}
	t.sessions[nodeID], t.byID[s.id] = s, s
	t.hear(nodeID, now, t.period())
	return s, nil
}

func newSession(nodeID string) *session {
	return &session{
		id: specs.NewID(rand.Reader), nodeID: nodeID, stream: newStream(), asked: newMailbox(),
		look: make(chan struct{}, 1), reports: make(chan *batch), gone: make(chan struct{}),
	}
}

// mayTakeTurns reports whether the node has not replaced too many sessions.
func (t *term) mayTakeTurns(nodeID string, now time.Time) bool {
	t.turns[nodeID] = slices.DeleteFunc(t.turns[nodeID], func(at time.Time) bool { return now.Sub(at) >= turnsWindow })
	return len(t.turns[nodeID]) < maxTurns
}

// welcome counts a session that has opened, its node written down, and gives the
// node a grace of the period that it is told. A session that did not get so far
// was no fault of its node: a leader that cannot write yet is asked again.
func (t *term) welcome(s *session, period time.Duration) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[s.id] != s {
		return
	}
	if s.turn {
		t.turns[s.nodeID] = append(t.turns[s.nodeID], now)
	}
	t.hear(s.nodeID, now, period)
	if p := t.presence[s.nodeID]; p.heard.IsZero() {
		p.heard = t.Now()
		t.presence[s.nodeID] = p
	}
	t.arrival.Ring()
}

// close ends a session whose connection is gone. The node keeps its deadline:
// it may come back in time.
func (t *term) close(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(s, t.away(s.nodeID))
}

// drop ends a session once; the caller holds the mutex.
func (t *term) drop(s *session, why error) {
	if t.byID[s.id] != s {
		return
	}
	delete(t.byID, s.id)
	delete(t.sessions, s.nodeID)
	s.why = why
	close(s.gone)
}

// opened returns the open session of that ID.
func (t *term) opened(id string) (*session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.byID[id]
	if !ok {
		return nil, wire.Errorf(wire.InvalidArgument, "session %s is not open: open a new one", id)
	}
	return s, nil
}

// of returns the open session of a node.
func (t *term) of(nodeID string) (*session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.sessions[nodeID]
	if !ok {
		return nil, t.away(nodeID)
	}
	return s, nil
}

// away says of a node that it has no session. Who asked for it names the node.
func (t *term) away(nodeID string) error {
	node, known := t.Store.Snapshot().Node(nodeID)
	if !known {
		return wire.Errorf(wire.NotFound, "node %s was removed from the cluster", nodeID)
	}
	since := ""
	if node.Seen.Status == specs.NodeDown {
		since = fmt.Sprintf(" (down since %s)", node.Seen.Since.UTC().Format(time.RFC3339))
	}
	return wire.Errorf(wire.Unavailable, "it is not connected%s: start its daemon, or see there why that reaches no manager", since)
}
