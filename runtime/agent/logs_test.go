package agent_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	joined "github.com/swarmgit/swarmgit/reconciler/logs"
	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/executortest"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// endless is a log without an end.
type endless struct{ agent.Logs }

func (endless) Read(_ context.Context, id string, _ agent.LogOptions, yield func([]wire.LogLine) error) error {
	line := wire.LogLine{TaskID: id, Text: make([]byte, 16<<10)}
	for {
		if err := yield([]wire.LogLine{line}); err != nil {
			return err
		}
	}
}

func TestAPausedReaderOfLogsHoldsUpNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		n.daemon.stop()
		n.logs = endless{}
		n.start()
		c.service("shop_web", web)
		synctest.Wait()
		ctx, quit := context.WithCancel(t.Context())
		const readers = 10
		before := n.dials
		for range readers {
			go func() {
				_ = c.dispatcher.Logs(ctx, "n1", wire.LogRequest{Tasks: []string{"t1"}}, func(wire.LogBatch) error {
					<-ctx.Done() // a pager, and its user at lunch
					return ctx.Err()
				})
			}()
		}
		after(5 * time.Minute)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		c.sees(id, specs.StateRunning)
		if n.status() != specs.NodeReady || n.dials != before+readers {
			t.Errorf("the node is %s after %d connections for %d readers", n.status(), n.dials-before, readers)
		}
		quit()
		synctest.Wait()
	})
}

func TestLogs(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		kept := newLogs()
		for _, id := range []string{"t1", "t2"} {
			for _, text := range []string{"one", "two", "three"} {
				kept.lines[id] = append(kept.lines[id], wire.LogLine{TaskID: id, Text: []byte(text)})
			}
			kept.following[id] = make(chan struct{})
		}
		n.daemon.stop()
		n.logs = kept
		n.start()
		synctest.Wait()

		read := func(ctx context.Context, req wire.LogRequest) ([]string, error) {
			var got []string
			err := c.dispatcher.Logs(ctx, "n1", req, func(b wire.LogBatch) error {
				for _, l := range b.Lines {
					got = append(got, l.TaskID+" "+string(l.Text))
				}
				return nil
			})
			slices.Sort(got)
			return got, err
		}
		got, err := read(t.Context(), wire.LogRequest{Tasks: []string{"t1", "t2"}, Tail: 1})
		if diff := cmp.Diff([]string{"t1 three", "t2 three"}, got); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}

		// Following ends with the task, or with whoever follows.
		time.AfterFunc(time.Minute, func() { close(kept.following["t1"]) })
		got, err = read(t.Context(), wire.LogRequest{Tasks: []string{"t1"}, Follow: true, Tail: -1})
		if len(got) != 3 || err != nil {
			t.Errorf("got %v, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got, err = read(ctx, wire.LogRequest{Tasks: []string{"t2"}, Follow: true, Tail: -1}); len(got) != 3 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", got, err)
		}
		synctest.Wait() // the node reads no more, or the bubble would not end
	})
}

// TestLogsOutliveTheirTask reads what an ended task wrote, as people do who ask
// why it ended, for as long as the cluster remembers the task.
func TestLogsOutliveTheirTask(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.node("n1")
		kept := newLogs()
		n.daemon.stop()
		n.logs = kept
		n.engine.SetImage("web:1", executortest.Exits(time.Second, 1))
		n.start()
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		kept.write(id, "no such table: carts")
		read := func() (lines []string) {
			t.Helper()
			req := wire.LogRequest{Tasks: []string{id}, Tail: -1}
			if err := c.dispatcher.Logs(t.Context(), "n1", req, func(b wire.LogBatch) error {
				for _, l := range b.Lines {
					lines = append(lines, string(l.Text))
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			return lines
		}
		after(time.Hour)
		c.sees(id, specs.StateFailed)
		n.holds()
		n.restart()
		after(time.Second)
		if diff := cmp.Diff([]string{"no such table: carts"}, read()); diff != "" {
			t.Error(diff)
		}
		c.forget(id)
		after(time.Second)
		if left := read(); len(left) > 0 {
			t.Errorf("left of a forgotten task: %q", left)
		}
	})
}

// TestWhoAsksIsAnswered asks for logs that a node does not keep, and a node that cannot
// open connections.
func TestWhoAsksIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		read := func(node string) (words string) {
			t.Helper()
			err := c.dispatcher.Logs(t.Context(), node, wire.LogRequest{Tasks: []string{"t1"}, Follow: true}, func(b wire.LogBatch) error {
				words += b.Err
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			return words
		}
		c.node("n1")
		synctest.Wait()
		if got := read("n1"); !strings.Contains(got, "node n1 keeps none") {
			t.Errorf("without a keeper: %q", got)
		}

		n := c.machine("n2")
		n.logs = newLogs()
		n.adapt = func(config *agent.Config) {
			dial := config.Dial
			config.Dial = func(ctx context.Context, addr string, protocol wire.Protocol) (net.Conn, error) {
				if protocol == wire.Calls {
					return nil, errors.New("no ports are left")
				}
				return dial(ctx, addr, protocol)
			}
		}
		n.start()
		synctest.Wait()
		if got := read("n2"); !strings.Contains(got, "no ports are left") {
			t.Errorf("without a connection: %q", got)
		}
		asked := time.Now()
		err := c.dispatcher.Exec(t.Context(), "n2", wire.ExecRequest{TaskID: "t1"},
			func() (wire.ExecInput, error) { return wire.ExecInput{}, io.EOF }, func(wire.ExecOutput) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "no ports are left") || time.Since(asked) > 0 {
			t.Errorf("a command without a connection, after %s: %v", time.Since(asked), err)
		}
	})
}

// TestLogsOfANodeThatComesBack follows a task over the time when its node is cut
// off.
func TestLogsOfANodeThatComesBack(t *testing.T) {
	bubble(t, func(t *testing.T, c *cluster) {
		n := c.machine("n1")
		kept := newLogs()
		n.logs = kept
		n.start()
		c.service("shop_web", web)
		id := c.assign("shop_web", "n1", specs.StateRunning)
		kept.write(id, "before")
		after(time.Second)
		c.sees(id, specs.StateRunning)
		joiner := &joined.Joiner{Nodes: c.dispatcher, Watch: c.store.Watch}
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		ended := make(chan error, 1)
		go func() {
			ended <- joiner.Join(ctx, []specs.Task{c.task(id)}, joined.Request{Follow: true, Tail: -1}, func(b joined.Batch) error {
				for _, line := range b.Lines {
					got = append(got, line.Task+" "+string(line.Text))
				}
				if strings.HasSuffix(b.Err, "; they go on when it is back") {
					got = append(got, "it is away")
				}
				return nil
			})
		}()
		after(time.Second)
		n.disconnect()
		kept.write(id, "meanwhile")
		after(time.Hour)
		n.reconnect()
		after(time.Minute)
		cancel()
		<-ended
		want := []string{
			"shop_web.1 before",
			"it is away",
			"shop_web.1 meanwhile",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		synctest.Wait()
	})
}
