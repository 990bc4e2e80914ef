package consensus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a network of net.Pipe, which a bubble can wait for.
type pipes struct {
	mu    sync.Mutex
	ports map[string]*port
}

// port is one manager's end of it.
type port struct {
	pipes *pipes
	id    string
	addr  string
	conns chan net.Conn
	done  chan struct{}
	speed int // of what is sent to it, in bytes per second; 0 is no limit
}

func (p *pipes) listen(id, addr string) *port {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ports == nil {
		p.ports = make(map[string]*port)
	}
	p.ports[addr] = &port{pipes: p, id: id, addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	return p.ports[addr]
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *port) Dial(ctx context.Context, id, addr string) (net.Conn, error) {
	p.pipes.mu.Lock()
	to := p.pipes.ports[addr]
	p.pipes.mu.Unlock()
	if to == nil || to.id != id {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	select {
	case to.conns <- there:
		if to.speed > 0 {
			return slow{here, to.speed}, nil
		}
		return here, nil
	case <-to.done:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *port) Address() string { return p.addr }

func (p *port) Close() error {
	close(p.done)
	return nil
}

// slow is a connection that sends at some speed, in bytes per second.
type slow struct {
	net.Conn
	speed int
}

func (s slow) Write(p []byte) (n int, err error) {
	for part := range slices.Chunk(p, 16<<10) {
		time.Sleep(time.Duration(len(part)) * time.Second / time.Duration(s.speed))
		sent, err := s.Conn.Write(part)
		if n += sent; err != nil {
			return n, err
		}
	}
	return n, nil
}

// loopback is a network of TCP on this machine.
type loopback struct{ net.Listener }

func listenLoopback(t testing.TB) loopback {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return loopback{l}
}

func (l loopback) Address() string { return l.Addr().String() }

func (l loopback) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

// admitted makes the managers voters of the first one's cluster.
func admitted(t testing.TB, leader running, others ...running) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for _, m := range others {
		for {
			voter, err := leader.Join(t.Context(), m.Joining())
			if err != nil {
				t.Fatal(err)
			}
			if voter {
				break
			}
			<-tick.C
		}
		if err := m.Admit(); err != nil {
			t.Fatal(err)
		}
	}
}

// onDisk starts managers that all have their vote; the first leads.
func onDisk(t testing.TB, n int) (managers []running) {
	t.Helper()
	for i := range n {
		managers = append(managers, run(t, Config{
			NodeID: fmt.Sprintf("manager%d", i+1), Dir: t.TempDir(), Network: listenLoopback(t), Bootstrap: i == 0,
			Disk: DiskConfig{Ballast: mib},
		}))
	}
	managers[0].lead(t)
	admitted(t, managers[0], managers[1:]...)
	return managers
}

func TestManagersAgreeOverTCP(t *testing.T) {
	managers := onDisk(t, 3)
	for i := range 20 {
		managers[0].write(t, ref(i))
	}
	for _, m := range managers[1:] {
		if err := m.WaitApplied(t.Context(), managers[0].AppliedIndex()); err != nil {
			t.Fatal(err)
		}
		if got, want := m.store.Digest(), managers[0].store.Digest(); got != want {
			t.Errorf("digests differ: %s and %s", got.Short(), want.Short())
		}
	}
	managers[0].stop() // hands over
	for {
		changed := managers[1].Changed()
		if id, _ := managers[1].Leader(); id != "" && id != "manager1" {
			return
		}
		<-changed
	}
}

func TestAManagerIsFoundAtAnotherAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net pipes
		first := run(t, Config{NodeID: "manager1", Memory: NewMemory(), Network: net.listen("manager1", "a:1"), Bootstrap: true})
		first.lead(t)
		memory := NewMemory()
		second := run(t, Config{NodeID: "manager2", Memory: memory, Network: net.listen("manager2", "b:1")})
		admitted(t, first, second)
		first.write(t, ref(1))
		second.stop()
		time.Sleep(5 * time.Second)
		if id, _ := first.Leader(); id != "" {
			t.Fatalf("%s leads without a majority", id)
		}

		// Nobody leads who could write the new address down.
		second = run(t, Config{NodeID: "manager2", Memory: memory, Network: net.listen("manager2", "c:1")})
		time.Sleep(10 * time.Second)
		members, err := first.Members()
		if err != nil {
			t.Fatal(err)
		}
		leader := false
		for _, m := range members {
			leader = leader || m.Leader
			if m.ID == "manager2" && m.Leader && m.Address != "c:1" {
				t.Errorf("manager2 leads and is written down at %s", m.Address)
			}
		}
		if !leader {
			t.Fatalf("nobody leads: %+v", members)
		}
		lead := map[bool]running{true: first, false: second}[members[0].Leader]
		if voter, err := lead.Join(t.Context(), second.Joining()); err != nil || !voter {
			t.Errorf("manager2 has its vote: %v, %v", voter, err)
		}
		lead.write(t, ref(2))
		time.Sleep(time.Second)
		if members, _ = first.Members(); members[1].Address != "c:1" {
			t.Errorf("manager2 is written down at %s", members[1].Address)
		}
	})
}

// A manager that is behind is sent no more at once than a slow link carries before
// the leader's patience is over: it would be sent the same again and again.
func TestAManagerCatchesUpOverASlowLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net pipes
		var managers []running
		memory := NewMemory()
		for i, m := range []*Memory{NewMemory(), NewMemory(), memory} {
			name := fmt.Sprintf("manager%d", i+1)
			managers = append(managers, run(t, Config{NodeID: name, Memory: m, Network: net.listen(name, name+":1"), Bootstrap: i == 0}))
		}
		managers[0].lead(t)
		admitted(t, managers[0], managers[1:]...)
		managers[2].stop()
		for i := range 256 {
			tx := ref(i)
			tx[0].Ref.Value.Commit = strings.Repeat("a", entryFull)
			managers[0].write(t, tx)
		}
		far := net.listen("manager3", "manager3:1")
		far.speed = 8 << 20 / 8 // 8 Mbit/s
		late := run(t, Config{NodeID: "manager3", Memory: memory, Network: far})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := late.WaitApplied(ctx, managers[0].AppliedIndex()); err != nil {
			t.Error(err)
		}
	})
}

// A machine whose disk was wiped joins as a new node where the old one was. The
// old one's vote is no vote of the new one.
func TestAManagerIsNotTakenForTheOneThatWasThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var net pipes
		first := run(t, Config{NodeID: "manager1", Memory: NewMemory(), Network: net.listen("manager1", "a:1"), Bootstrap: true})
		first.lead(t)
		second := run(t, Config{NodeID: "manager2", Memory: NewMemory(), Network: net.listen("manager2", "b:1")})
		third := run(t, Config{NodeID: "manager3", Memory: NewMemory(), Network: net.listen("manager3", "c:1")})
		admitted(t, first, second, third)
		third.stop()
		fourth := run(t, Config{NodeID: "manager4", Memory: NewMemory(), Network: net.listen("manager4", "c:1")})
		first.write(t, ref(1))
		time.Sleep(10 * time.Second)
		if first.Reachable("manager3") {
			t.Error("manager3 is gone, and manager4 answers for it")
		}
		if members, err := fourth.Members(); err != nil || len(members) != 0 || fourth.AppliedIndex() != 0 {
			t.Errorf("manager4 has not joined and follows to %d; members %+v, %v", fourth.AppliedIndex(), members, err)
		}
		_, err := first.Join(t.Context(), fourth.Joining())
		if err == nil || !strings.Contains(err.Error(), "manager3 has that address") {
			t.Errorf("got %v, want that manager3 has the address", err)
		}
	})
}
