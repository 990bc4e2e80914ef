package dispatcher_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/dispatcher"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// manager is a dispatcher over a real store, in a synctest bubble.
type manager struct {
	*testing.T
	*dispatcher.Dispatcher
	store    *store.Store
	calls    *wire.Pipe
	sessions *wire.Pipe
	endTerm  func()
	others   *changing[[]wire.Manager]
	renew    *changing[string] // for n1

	mu      sync.Mutex
	latency time.Duration // of a proposal
	index   uint64
	entries [][]specs.Transaction
	fail    error // what the next proposals come to
	deposed error // what the other managers say of its office
	doneAll bool  // although they are applied
}

// bubble runs a test with a leading manager that knows the nodes n1 and n2.
func bubble(t *testing.T, f func(*manager)) {
	synctest.Test(t, func(t *testing.T) {
		m := &manager{
			T: t, store: store.New(), calls: wire.NewPipe(), sessions: wire.NewPipe(),
			others: newChanging[[]wire.Manager](nil), renew: newChanging(""),
		}
		m.Dispatcher = dispatcher.New(dispatcher.Config{
			Store: m.store, Propose: m, Log: slog.New(slog.DiscardHandler),
			Managers: m.others.get, Confirm: m.confirm,
			Content: func(p specs.Payload) ([]byte, error) { return append([]byte("opened "), p.Data...), nil },
			Renew: func(node string) (string, <-chan struct{}) {
				if node != "n1" {
					return "", nil
				}
				return m.renew.get()
			},
		})
		mux := http.NewServeMux()
		m.Register(mux)
		m.run(func(ctx context.Context) error { return wire.Serve(ctx, m.calls, mux) })
		m.run(func(ctx context.Context) error { return m.ServeSessions(ctx, m.sessions) })
		for _, id := range []string{"n1", "n2"} {
			m.write(specs.Change{Node: specs.Insert(id, specs.Node{ID: id, Created: time.Now()})})
		}
		m.lead()
		f(m)
	})
}

// changing is a value, and a channel that closes when there is another one.
type changing[T any] struct {
	mu      sync.Mutex
	value   T
	changed chan struct{}
}

func newChanging[T any](value T) *changing[T] {
	return &changing[T]{value: value, changed: make(chan struct{})}
}

func (c *changing[T]) get() (T, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.changed
}

func (c *changing[T]) set(value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = value
	close(c.changed)
	c.changed = make(chan struct{})
}

// run runs f until the returned function is called or the test ends.
func (m *manager) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f(ctx); err != nil {
			m.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	m.Cleanup(stop)
	return stop
}

func (m *manager) lead() {
	m.endTerm = m.run(m.Dispatcher.Run)
	synctest.Wait()
}

// Propose applies at once, or fails as the test wants.
func (m *manager) Propose(_ context.Context, txs []specs.Transaction) ([]error, error) {
	m.mu.Lock()
	latency := m.latency
	m.mu.Unlock()
	time.Sleep(latency)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil && !m.doneAll {
		return nil, m.fail
	}
	m.index++
	m.entries = append(m.entries, txs)
	return m.store.Apply(m.index, txs), m.fail
}

func (m *manager) confirm(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.deposed
}

// slow has each proposal take that long.
func (m *manager) slow(latency time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latency = latency
}

func (m *manager) failing(err error, doneAll bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.doneAll = err, doneAll
}

// proposed counts the entries so far and their transactions.
func (m *manager) proposed() (entries, txs int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, entry := range m.entries {
		txs += len(entry)
	}
	return len(m.entries), txs
}

// write is what the other writers of the store do, in one transaction.
func (m *manager) write(tx ...specs.Change) {
	m.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.index++
	if err := errors.Join(m.store.Apply(m.index, []specs.Transaction{tx})...); err != nil {
		m.Fatal(err)
	}
}

// service adds a service whose tasks have this image.
func (m *manager) service(name, image string) {
	m.Helper()
	spec := specs.TaskSpec{Image: image}
	m.write(specs.Change{TaskSpec: &spec}, specs.Change{Service: specs.Insert(name, specs.Service{
		ID: name, Spec: specs.ServiceSpec{Name: name, Stack: "shop", Task: encoding.HashTaskSpec(spec)},
	})})
}

func (m *manager) newTask(id, service, node string) specs.Change {
	row, _ := m.store.Snapshot().Service(service)
	return specs.Change{Task: specs.Insert(id, specs.Task{
		ID: id, ServiceID: service, ServiceName: service, Slot: 1, Spec: row.Spec.Task, Created: time.Now(),
		Want: specs.TaskWant{Desired: specs.StateRunning, Node: node},
	})}
}

func (m *manager) want(id string, desired specs.State) specs.Change {
	task, _ := m.store.Snapshot().Task(id)
	task.Want.Desired = desired
	return specs.Change{TaskWant: specs.Set(id, task.WantVersion, task.Want)}
}

func (m *manager) forget(id string) specs.Change {
	task, _ := m.store.Snapshot().Task(id)
	return specs.Change{Task: specs.Remove[specs.Task](id, task.WantVersion)}
}

func (m *manager) seen(id string) specs.TaskSeen {
	task, _ := m.store.Snapshot().Task(id)
	return task.Seen
}

func (m *manager) status(node string) specs.NodeStatus {
	row, _ := m.store.Snapshot().Node(node)
	return row.Seen.Status
}

// node is what a test does as a node.
type node struct {
	*manager
	id      string
	client  *wire.Client
	link    *wire.NodeEnd
	session wire.Place      // the first
	told    chan wire.Place // all of them
	tasks   chan wire.Assignments
	logs    chan wire.LogRequest
	answers chan wire.ManagerMessage // to heartbeats and reports
	ended   chan error               // the end of the session
	over    chan struct{}            // closed once the session has ended
	why     error                    // set before
	leave   func()
	trouble wire.Trouble // that its heartbeats tell
}

// connect opens a session, which must succeed.
func (m *manager) connect(id string) *node {
	m.Helper()
	n, err := m.tryConnect(id)
	if err != nil {
		m.Fatal(err)
	}
	return n
}

// dial returns a client with the certificate of a node.
func (m *manager) dial(nodeID string) *wire.Client { return wire.NewClient(as(m.calls, nodeID)) }

// link connects a node for a session.
func (m *manager) link(nodeID string) *wire.NodeEnd {
	m.Helper()
	conn, err := as(m.sessions, nodeID)(context.Background())
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { _ = conn.Close() })
	return wire.NewNodeEnd(conn)
}

func as(p *wire.Pipe, nodeID string) wire.Dial {
	return p.As(wire.Identity{NodeID: nodeID, Role: specs.Worker})
}

// tryConnect returns once a session has opened or ended.
func (m *manager) tryConnect(id string) (*node, error) {
	m.Helper()
	conn, err := as(m.sessions, id)(context.Background())
	if err != nil {
		m.Fatal(err)
	}
	n := &node{
		manager: m, id: id, client: m.dial(id), link: wire.NewNodeEnd(conn),
		ended: make(chan error, 1), over: make(chan struct{}), answers: make(chan wire.ManagerMessage),
		told: make(chan wire.Place, 100), tasks: make(chan wire.Assignments, 100), logs: make(chan wire.LogRequest, 100),
	}
	n.leave = sync.OnceFunc(func() {
		_ = conn.Close() // as a process does that is killed
		<-n.over
		n.client.Close()
	})
	m.Cleanup(n.leave)
	first := make(chan struct{})
	go func() {
		n.why = n.follow(first)
		_ = conn.Close()
		n.ended <- n.why
		close(n.over)
	}()
	select {
	case <-first:
		return n, nil
	case <-n.over:
		return n, n.why
	}
}

// follow takes what the manager says until the session ends; opened is closed with
// its first place.
func (n *node) follow(opened chan<- struct{}) error {
	if err := n.link.Send(wire.NodeMessage{Open: &wire.Open{Description: specs.NodeDescription{Hostname: n.id}}}); err != nil {
		return err
	}
	for first := true; ; {
		msg, err := n.link.Receive(context.Background())
		if err != nil {
			return err
		}
		if msg.Place != nil {
			n.told <- *msg.Place
		}
		if msg.Assignments != nil {
			n.tasks <- *msg.Assignments
		}
		if msg.Logs != nil {
			n.logs <- *msg.Logs
		}
		if msg.Heard != nil || msg.Reported != nil {
			n.answers <- msg
		}
		if first && msg.Place != nil && msg.Place.SessionID != "" {
			first, n.session = false, *msg.Place
			close(opened)
		}
	}
}

// say sends a message and waits for the answer, or for the end of the session.
func (n *node) say(m wire.NodeMessage) (wire.ManagerMessage, error) {
	_ = n.link.Send(m) // if it cannot be sent, the session has ended
	select {
	case answer := <-n.answers:
		return answer, nil
	case <-n.over:
		return wire.ManagerMessage{}, n.why
	}
}

// hears returns what the node is told next of its place, which must be there
// without time passing.
func (n *node) hears() (wire.Place, bool) {
	synctest.Wait()
	select {
	case msg := <-n.told:
		return msg, true
	default:
		return wire.Place{}, false
	}
}

func (n *node) beat() error {
	_, err := n.say(wire.NodeMessage{Heartbeat: &wire.Heartbeat{Trouble: n.trouble}})
	return err
}

func (n *node) report(reports ...wire.TaskReport) error {
	return n.reportAt(time.Time{}, reports...)
}

// reportAt reports what is so at a time of the node's clock.
func (n *node) reportAt(there time.Time, reports ...wire.TaskReport) error {
	answer, err := n.say(wire.NodeMessage{Report: &wire.Report{Tasks: reports, Now: there}})
	if err == nil && answer.Reported.Refused != "" {
		err = wire.Errorf(wire.PermissionDenied, "%s", answer.Reported.Refused)
	}
	return err
}

func is(id string, state specs.State) wire.TaskReport {
	return wire.TaskReport{TaskID: id, Seen: specs.TaskSeen{State: state, Since: time.Now()}}
}

// assignments returns what returns the next message about tasks, which must be
// there without time passing.
func (n *node) assignments() (next func() (wire.Assignments, bool)) {
	return func() (wire.Assignments, bool) {
		synctest.Wait()
		select {
		case a := <-n.tasks:
			return a, true
		default:
			return wire.Assignments{}, false
		}
	}
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func wantKind(t *testing.T, err error, kind wire.Kind) {
	t.Helper()
	if err == nil || wire.KindOf(err) != kind {
		t.Errorf("got %v (%v), want %v", err, wire.KindOf(err), kind)
	}
}

// told writes what a message says, short enough to compare.
func told(a wire.Assignments) string {
	words := ""
	if a.Full {
		words = "full:"
	}
	for _, set := range a.Set {
		words += fmt.Sprintf(" %s %s", set.TaskID, set.Desired)
	}
	for _, id := range a.Remove {
		words += " -" + id
	}
	return fmt.Sprintf("%s (%d specs)", words, len(a.Specs))
}
