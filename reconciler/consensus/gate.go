package consensus

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/swarmgit/swarmgit/specs/bell"
)

// Transport is raft's way to the other managers, where it is not a Network:
// raft.InmemTransport is one.
type Transport interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
}

// answerPatience is how long ago a manager may have answered and still counts as
// reachable. Heartbeats come every 30 to 60 ms, and back off to half of patience.
const answerPatience = time.Second

// votePatience is the same where votes are asked for: after one to two of patience.
const votePatience = 2 * time.Second

var errShut = errors.New("this manager has shut itself off, because its disk hangs")

// gate is all that raft sends. It notes who answers, who agrees that this manager
// leads, and where managers were last heard of, and while it is shut nothing leaves: a
// leader whose disk hangs is silent, so that the others elect another.
type gate struct {
	Transport
	raft    atomic.Pointer[raft.Raft] // whose gate it is; nil until it runs
	stands  func() error              // why this manager may not stand for election
	shut    atomic.Bool
	done    chan struct{} // closed with closed
	sending sync.WaitGroup

	agreement bell.Bell // rung when a manager has agreed

	mu       sync.Mutex
	closed   bool
	answered map[raft.ServerID]time.Time
	followed map[raft.ServerID]time.Time          // when that was sent which it followed last
	moved    map[raft.ServerID]raft.ServerAddress // asked for a vote from there
}

func newGate(t Transport, stands func() error) *gate {
	g := &gate{Transport: t, stands: stands, done: make(chan struct{}),
		answered: make(map[raft.ServerID]time.Time), followed: make(map[raft.ServerID]time.Time)}
	g.settle()
	return g
}

// reached tells whether the manager answered within that time.
func (g *gate) reached(id raft.ServerID, within time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.answered[id]
	return ok && time.Since(at) < within
}

func (g *gate) answer(id raft.ServerID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered[id] = time.Now()
}

// follow notes that the manager has followed what was sent to it then.
func (g *gate) follow(id raft.ServerID, sent time.Time) {
	g.mu.Lock()
	if sent.After(g.followed[id]) {
		g.followed[id] = sent
	}
	g.mu.Unlock()
	g.agreement.Ring()
}

// agreed tells whether the manager follows what was sent to it since.
func (g *gate) agreed(id raft.ServerID, since time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.followed[id].After(since)
}

// heard notes where a manager asks for votes from. One that came back at another
// address is found there even when nobody leads who could write that down.
func (g *gate) heard(h raft.RPCHeader) {
	if len(h.ID) == 0 || len(h.Addr) == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moved[raft.ServerID(h.ID)] = g.DecodePeer(h.Addr)
}

// settle forgets what was heard: the members' addresses are written down anew.
func (g *gate) settle() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moved = make(map[raft.ServerID]raft.ServerAddress)
}

func (g *gate) where(id raft.ServerID, written raft.ServerAddress) raft.ServerAddress {
	g.mu.Lock()
	defer g.mu.Unlock()
	if heard, ok := g.moved[id]; ok {
		return heard
	}
	return written
}

// send makes one request, unless the gate is shut or closed.
func (g *gate) send(id raft.ServerID, written raft.ServerAddress, request func(raft.ServerAddress) error) error {
	if g.shut.Load() {
		return errShut
	}
	if !g.begin() {
		return ErrClosed
	}
	defer g.sending.Done()
	if err := request(g.where(id, written)); err != nil {
		return err
	}
	g.answer(id)
	return nil
}

func (g *gate) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.sending.Add(1)
	}
	return !g.closed
}

// Close implements raft.WithClose and returns once no request is under way: raft
// does not wait for all that it has begun.
func (g *gate) Close() error {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	if !again {
		close(g.done)
	}
	err := g.Transport.Close()
	g.sending.Wait()
	return err
}

// AppendEntries implements raft.Transport. One that failed and was no heartbeat
// returns only when a heartbeat has been answered. Raft would try again and
// again, and wait up to 10 s after the last time: a manager that is back would
// get no entries meanwhile, and count for nothing when another goes.
func (g *gate) AppendEntries(id raft.ServerID, to raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	began := time.Now()
	err := g.send(id, to, func(to raft.ServerAddress) error { return g.Transport.AppendEntries(id, to, req, resp) })
	switch {
	case err == nil && resp.Success:
		g.follow(id, began)
	case err != nil && !isHeartbeat(req):
		g.awaitAnswer(id, req.Term, began)
	}
	return err
}

func isHeartbeat(req *raft.AppendEntriesRequest) bool {
	return req.PrevLogEntry == 0 && len(req.Entries) == 0 && req.LeaderCommitIndex == 0
}

// awaitAnswer waits until the manager answers, or nothing is to be sent to it in
// that term.
func (g *gate) awaitAnswer(id raft.ServerID, term uint64, since time.Time) {
	tick := time.NewTicker(patience / 10)
	defer tick.Stop()
	for g.follows(id, term) {
		g.mu.Lock()
		answered := g.answered[id].After(since)
		g.mu.Unlock()
		if answered {
			return
		}
		select {
		case <-tick.C:
		case <-g.done:
			return
		}
	}
}

// follows tells whether this manager leads in that term and the other is a member.
func (g *gate) follows(id raft.ServerID, term uint64) bool {
	r := g.raft.Load()
	if r == nil || r.State() != raft.Leader || r.CurrentTerm() != term {
		return false
	}
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if s.ID == id {
			return true
		}
	}
	return false
}

// RequestVote implements raft.Transport.
func (g *gate) RequestVote(id raft.ServerID, to raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if err := g.stands(); err != nil {
		return err
	}
	return g.send(id, to, func(to raft.ServerAddress) error { return g.Transport.RequestVote(id, to, req, resp) })
}

// RequestPreVote implements raft.WithPreVote.
func (g *gate) RequestPreVote(id raft.ServerID, to raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if err := g.stands(); err != nil {
		return err
	}
	return g.send(id, to, func(to raft.ServerAddress) error { return g.Transport.RequestPreVote(id, to, req, resp) })
}

// InstallSnapshot implements raft.Transport.
func (g *gate) InstallSnapshot(id raft.ServerID, to raft.ServerAddress, req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return g.send(id, to, func(to raft.ServerAddress) error { return g.Transport.InstallSnapshot(id, to, req, resp, data) })
}

// TimeoutNow implements raft.Transport.
func (g *gate) TimeoutNow(id raft.ServerID, to raft.ServerAddress, req *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return g.send(id, to, func(to raft.ServerAddress) error { return g.Transport.TimeoutNow(id, to, req, resp) })
}

// AppendEntriesPipeline implements raft.Transport.
func (g *gate) AppendEntriesPipeline(id raft.ServerID, to raft.ServerAddress) (raft.AppendPipeline, error) {
	if g.shut.Load() {
		return nil, errShut
	}
	p, err := g.Transport.AppendEntriesPipeline(id, g.where(id, to))
	if err != nil {
		return nil, err
	}
	return gatedPipeline{p, g}, nil
}

type gatedPipeline struct {
	raft.AppendPipeline
	gate *gate
}

// AppendEntries closes a pipeline that takes nothing for networkPatience. Raft
// reads no more answers once one is a refusal, and may be sending the next entries
// then: it would wait for room for ever, the follower would get nothing until
// another leads, and raft would never shut down.
func (p gatedPipeline) AppendEntries(req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	if p.gate.shut.Load() {
		return nil, errShut
	}
	defer time.AfterFunc(networkPatience, func() { _ = p.Close() }).Stop() // a closed one refuses what it is given
	return p.AppendPipeline.AppendEntries(req, resp)
}
