package dispatcher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func (n *node) publish(request string, batches ...wire.LogBatch) error {
	_, err := wire.PublishLogs.Call(context.Background(), n.client, func(send func(wire.LogBatch) error) error {
		for _, b := range append([]wire.LogBatch{{RequestID: request, SessionID: n.session.SessionID}}, batches...) {
			if err := send(b); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func line(text string) wire.LogBatch {
	return wire.LogBatch{Lines: []wire.LogLine{{TaskID: "t1", Text: []byte(text)}}}
}

func TestLogs(t *testing.T) {
	bubble(t, func(m *manager) {
		n := m.connect("n1")
		go func() {
			r := <-n.logs
			if len(r.Tasks) != 1 || r.Tasks[0] != "t1" || r.Tail != 7 {
				t.Errorf("asked for %+v", r)
			}
			if err := n.publish(r.ID, line("one"), line("two"), wire.LogBatch{Err: "t2 is broken"}); err != nil {
				t.Error(err)
			}
		}()
		got := ""
		err := m.Logs(m.Context(), "n1", wire.LogRequest{Tasks: []string{"t1"}, Tail: 7}, func(b wire.LogBatch) error {
			for _, l := range b.Lines {
				got += string(l.Text) + " "
			}
			got += b.Err
			return nil
		})
		if err != nil || got != "one two t2 is broken" {
			t.Errorf("got %q, %v", got, err)
		}
		synctest.Wait()
	})
}

func TestLogsEndEarly(t *testing.T) {
	bubble(t, func(m *manager) {
		none := func(wire.LogBatch) error { return nil }
		wantKind(t, m.Logs(m.Context(), "n1", wire.LogRequest{}, none), wire.Unavailable)

		n := m.connect("n1")
		ctx, cancel := context.WithCancel(m.Context())
		go cancel()
		wantKind(t, m.Logs(ctx, "n1", wire.LogRequest{Follow: true}, none), wire.Canceled)
		first, second := <-n.logs, <-n.logs
		if first.ID != second.ID || !second.Cancel {
			t.Errorf("asked %+v, then %+v", first, second)
		}
		wantKind(t, n.publish(first.ID), wire.NotFound)

		full := errors.New("the terminal is closed")
		go func() {
			r := <-n.logs
			for i := range 1000 {
				if n.publish(r.ID, line(fmt.Sprint(i))) != nil {
					return
				}
			}
		}()
		if err := m.Logs(m.Context(), "n1", wire.LogRequest{}, func(wire.LogBatch) error { return full }); !errors.Is(err, full) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()

		go func() {
			synctest.Wait()
			n.leave()
		}()
		wantKind(t, m.Logs(m.Context(), "n1", wire.LogRequest{}, none), wire.Unavailable)
	})
}

func TestWhyANodeCannotBeAsked(t *testing.T) {
	bubble(t, func(m *manager) {
		n := m.connect("n1")
		n.leave()
		synctest.Wait()
		says := func(want string) {
			t.Helper()
			logs := m.Logs(m.Context(), "n1", wire.LogRequest{}, func(wire.LogBatch) error { return nil })
			exec := m.Exec(m.Context(), "n1", wire.ExecRequest{}, nil, nil)
			if fmt.Sprint(logs) != want || fmt.Sprint(exec) != want {
				t.Errorf("logs: %v, exec: %v, want %q", logs, exec, want)
			}
		}
		says("it is not connected: start its daemon, or see there why that reaches no manager")
		time.Sleep(time.Minute)
		row, _ := m.store.Snapshot().Node("n1")
		says("it is not connected (down since " + row.Seen.Since.UTC().Format(time.RFC3339) + "): start its daemon, or see there why that reaches no manager")
		m.write(specs.Change{Node: specs.Remove[specs.Node]("n1", row.SpecVersion)})
		says("node n1 was removed from the cluster")
	})
}

func TestAwait(t *testing.T) {
	bubble(t, func(m *manager) {
		await := func(node string) <-chan error {
			ended := make(chan error, 1)
			go func() { ended <- m.Await(m.Context(), node) }()
			synctest.Wait()
			return ended
		}
		wantKind(t, <-await("stranger"), wire.NotFound)
		first, second := await("n1"), await("n2")
		m.connect("n1")
		if err := <-first; err != nil {
			t.Errorf("a node that came: %v", err)
		}
		if err := <-await("n1"); err != nil {
			t.Errorf("a node that is there: %v", err)
		}
		if len(second) != 0 {
			t.Error("a node that is away is not awaited")
		}
		row, _ := m.store.Snapshot().Node("n2")
		m.write(specs.Change{Node: specs.Remove[specs.Node]("n2", row.SpecVersion)})
		wantKind(t, <-second, wire.NotFound)

		m.write(specs.Change{Node: specs.Insert("n3", specs.Node{ID: "n3"})})
		third := await("n3")
		m.endTerm()
		wantKind(t, <-third, wire.NotLeader)
		wantKind(t, <-await("n3"), wire.NotLeader)
	})
}

// TestASecondAnswerHoldsNobody publishes twice for one request, after its reader
// has gone.
func TestASecondAnswerHoldsNobody(t *testing.T) {
	bubble(t, func(m *manager) {
		n := m.connect("n1")
		begun, paused := make(chan struct{}), make(chan struct{})
		go func() {
			_ = m.Logs(m.Context(), "n1", wire.LogRequest{}, func(wire.LogBatch) error {
				close(begun)
				<-paused
				return errors.New("the terminal is closed")
			})
		}()
		request := <-n.logs
		if err := n.publish(request.ID, line("one")); err != nil {
			t.Error(err)
		}
		<-begun
		for range 3 {
			if err := n.publish(request.ID); err != nil {
				t.Error(err)
			}
		}
		close(paused)
		synctest.Wait()
	})
}

// Who does not follow is told which node leaves him waiting, and is not taken for
// slow himself. Who follows waits on: the tasks may have nothing to say.
func TestANodeThatSendsNoLogs(t *testing.T) {
	bubble(t, func(m *manager) {
		n := m.connect("n1")
		m.run(func(ctx context.Context) error {
			for ctx.Err() == nil {
				time.Sleep(time.Second)
				if err := n.beat(); err != nil {
					return err
				}
			}
			return nil
		})
		none := func(wire.LogBatch) error { return nil }
		began := time.Now()
		err := m.Logs(m.Context(), "n1", wire.LogRequest{}, none)
		wantKind(t, err, wire.Unavailable)
		if waited := time.Since(began); waited != 30*time.Second || !strings.Contains(err.Error(), "it is connected and has sent nothing for 30s") {
			t.Errorf("after %s: %v", waited, err)
		}
		ctx, cancel := context.WithTimeout(m.Context(), 5*time.Minute)
		defer cancel()
		if err := m.Logs(ctx, "n1", wire.LogRequest{Follow: true}, none); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who follows: %v", err)
		}
		for range 4 { // each was asked for and given up
			<-n.logs
		}
		go func() { _ = n.publish((<-n.logs).ID, line("one"), line("two")) }()
		err = m.Logs(m.Context(), "n1", wire.LogRequest{}, func(wire.LogBatch) error {
			time.Sleep(time.Minute)
			return nil
		})
		if err != nil {
			t.Errorf("a slow reader: %v", err)
		}
	})
}
