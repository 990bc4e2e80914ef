package logs

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// agents answers for nodes: each sends its batches, one a second, then ends as
// it is told to. It complains of a second question to a node at the same time.
type agents struct {
	t     *testing.T
	nodes map[string]agent

	mu    sync.Mutex
	busy  map[string]bool
	asked map[string]wire.LogRequest // last
}

type agent struct {
	batches []wire.LogBatch
	err     error         // at the end
	follows bool          // sends no more after its batches, and does not end
	away    time.Duration // until Await returns
	lost    error         // what it returns
	back    *agent        // what the node answers when it is asked again
}

func (a *agents) Logs(ctx context.Context, node string, req wire.LogRequest, yield func(wire.LogBatch) error) error {
	a.mu.Lock()
	answer := a.nodes[node]
	if a.busy[node] {
		a.t.Errorf("node %s was asked twice", node)
	}
	a.busy[node], a.asked[node] = true, req
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.busy[node] = false
	}()
	for _, batch := range answer.batches {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		batch.Lines = slices.DeleteFunc(slices.Clone(batch.Lines), func(l wire.LogLine) bool { return l.At.Before(req.Since) })
		if err := yield(batch); err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
	}
	if answer.follows {
		<-ctx.Done()
		return ctx.Err()
	}
	return answer.err
}

func (a *agents) Await(ctx context.Context, node string) error {
	a.mu.Lock()
	was := a.nodes[node]
	if was.back != nil {
		a.nodes[node] = *was.back
	}
	a.mu.Unlock()
	select {
	case <-time.After(was.away):
		return was.lost
	case <-ctx.Done():
		return ctx.Err()
	}
}

func lines(task string, texts ...string) wire.LogBatch {
	var batch wire.LogBatch
	for _, text := range texts {
		batch.Lines = append(batch.Lines, wire.LogLine{TaskID: task, Text: []byte(text)})
	}
	return batch
}

func task(id string, slot uint64, node string) specs.Task {
	return specs.Task{ID: id, ServiceName: "shop_web", Slot: slot, Want: specs.TaskWant{Node: node}}
}

// joiner joins the logs of nodes, of which n1 has told its hostname.
func joiner(t *testing.T, nodes map[string]agent) (*Joiner, *agents) {
	t.Helper()
	st := store.New()
	row := specs.Node{ID: "n1", Seen: specs.NodeSeen{Description: specs.NodeDescription{Hostname: "alpha"}}}
	if errs := st.Apply(1, []specs.Transaction{{{Node: specs.Insert("n1", row)}}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	a := &agents{t: t, nodes: nodes, busy: make(map[string]bool), asked: make(map[string]wire.LogRequest)}
	return &Joiner{Nodes: a, Watch: st.Watch}, a
}

// join collects what a person would see; send may end the stream.
func join(ctx context.Context, j *Joiner, tasks []specs.Task, req Request, send func(Batch) error) ([]string, error) {
	var seen []string
	err := j.Join(ctx, tasks, req, func(b Batch) error {
		for _, line := range b.Lines {
			seen = append(seen, fmt.Sprintf("%s@%s %s", line.Task, line.Node, line.Text))
		}
		if b.Err != "" {
			seen = append(seen, "! "+b.Err)
		}
		if send == nil {
			return nil
		}
		return send(b)
	})
	return seen, err
}

func TestJoin(t *testing.T) {
	three := []specs.Task{task("t1", 1, "n1"), task("t2", 2, "n2"), task("t3", 3, "n1"), task("t4", 4, "")}
	for _, c := range []struct {
		name  string
		tasks []specs.Task
		nodes map[string]agent
		want  []string // in any order: nodes have no common clock
	}{
		{"several nodes", three, map[string]agent{
			"n1": {batches: []wire.LogBatch{lines("t1", "a", "b"), lines("t3", "c")}},
			"n2": {batches: []wire.LogBatch{lines("t2", "d")}},
		}, []string{"shop_web.1@alpha a", "shop_web.1@alpha b", "shop_web.2@n2 d", "shop_web.3@alpha c"}},
		{"a node that fails is named, the rest goes on", three, map[string]agent{
			"n1": {batches: []wire.LogBatch{lines("t1", "a"), lines("t3", "b"), lines("t1", "c")}},
			"n2": {err: errors.New("no session with the node")},
		}, []string{
			"! logs of shop_web.2 on n2: no session with the node",
			"shop_web.1@alpha a", "shop_web.1@alpha c", "shop_web.3@alpha b",
		}},
		{"a node with two tasks fails", three, map[string]agent{
			"n1": {err: errors.New("it went away")},
		}, []string{"! logs of shop_web.1 and 1 more on alpha: it went away"}},
		{"one log of a node cannot be read", three[:1], map[string]agent{
			"n1": {batches: []wire.LogBatch{{Err: "the log of task t1 is gone"}}},
		}, []string{"! the log of task t1 is gone"}},
		{"no task has a node", three[3:], nil, nil},
		{"no task", nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, _ := joiner(t, c.nodes)
				got, err := join(t.Context(), j, c.tasks, Request{}, nil)
				slices.Sort(got)
				if err != nil || !slices.Equal(got, c.want) {
					t.Errorf("%v\n%s", err, strings.Join(got, "\n"))
				}
			})
		})
	}
}

func TestEachNodeIsAskedOnceForItsTasks(t *testing.T) {
	j, a := joiner(t, nil)
	since := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tasks := []specs.Task{task("t1", 1, "n1"), task("t2", 2, "n2"), task("t3", 3, "n1")}
	if _, err := join(t.Context(), j, tasks, Request{Follow: true, Tail: 20, Since: since}, nil); err != nil {
		t.Fatal(err)
	}
	for node, want := range map[string][]string{"n1": {"t1", "t3"}, "n2": {"t2"}} {
		req := a.asked[node]
		if !slices.Equal(req.Tasks, want) || !req.Follow || req.Tail != 20 || !req.Since.Equal(since) || req.Cancel {
			t.Errorf("%s was asked for %+v", node, req)
		}
	}
}

// The receiver's error ends every node's stream, also of those that follow, and
// nothing is sent after it.
func TestASendErrorEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _ := joiner(t, map[string]agent{
			"n1": {batches: []wire.LogBatch{lines("t1", "a")}, follows: true},
			"n2": {follows: true},
		})
		gone, sends := errors.New("the receiver is gone"), 0
		_, err := join(t.Context(), j, []specs.Task{task("t1", 1, "n1"), task("t2", 2, "n2")}, Request{Follow: true},
			func(Batch) error { sends++; return gone })
		if !errors.Is(err, gone) || sends != 1 {
			t.Errorf("%d sends, %v", sends, err)
		}
	})
}

// Ctrl-C is how following ends: with the context's error and without a word of
// nodes that failed.
func TestTheEndOfTheContextEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _ := joiner(t, map[string]agent{
			"n1": {batches: []wire.LogBatch{lines("t1", "a"), lines("t1", "b")}, follows: true},
			"n2": {follows: true},
		})
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		began := time.Now()
		got, err := join(ctx, j, []specs.Task{task("t1", 1, "n1"), task("t2", 2, "n2")}, Request{Follow: true}, nil)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 90*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if want := []string{"shop_web.1@alpha a", "shop_web.1@alpha b"}; !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// send is called by one goroutine at a time, however many nodes speak.
func TestSendIsNeverCalledTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, tasks := make(map[string]agent), []specs.Task(nil)
		for i := range 20 {
			node := fmt.Sprintf("m%d", i)
			tasks = append(tasks, task(node, uint64(i+1), node))
			nodes[node] = agent{batches: []wire.LogBatch{lines(node, "a"), lines(node, "b")}}
		}
		j, _ := joiner(t, nodes)
		inside, most := make(chan struct{}, len(tasks)), 0
		got, err := join(t.Context(), j, tasks, Request{}, func(Batch) error {
			inside <- struct{}{}
			most = max(most, len(inside))
			runtime.Gosched() // let another one in, if it can
			<-inside
			return nil
		})
		if err != nil || len(got) != 40 || most != 1 {
			t.Errorf("%d lines, %d at once, %v", len(got), most, err)
		}
	})
}

// Following goes on with tasks that come later, from their first line.
func TestFollowTakesUpNewTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.New()
		a := &agents{t: t, busy: make(map[string]bool), asked: make(map[string]wire.LogRequest), nodes: map[string]agent{
			"n1": {batches: []wire.LogBatch{lines("t1", "old")}, follows: true},
			"n2": {batches: []wire.LogBatch{lines("t2", "new")}, follows: true},
		}}
		j := &Joiner{Nodes: a, Watch: st.Watch}
		before := []specs.Task{task("t1", 1, "n1"), task("t2", 1, "")}
		after := []specs.Task{task("t1", 1, "n1"), task("t2", 1, "n2")}
		var seen []string
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			pick := func(snap store.Snapshot) []specs.Task {
				if snap.Index() == 0 {
					return before
				}
				return after
			}
			ended <- j.Follow(ctx, pick, Request{Follow: true, Tail: 5}, func(b Batch) error {
				for _, line := range b.Lines {
					seen = append(seen, string(line.Text))
				}
				return nil
			})
		}()
		time.Sleep(2 * time.Second)
		st.Apply(1, nil)
		time.Sleep(2 * time.Second)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || !slices.Equal(seen, []string{"old", "new"}) {
			t.Errorf("%q, %v", seen, err)
		}
		if a.asked["n1"].Tail != 5 || a.asked["n2"].Tail != -1 {
			t.Errorf("asked %+v", a.asked)
		}
	})
}
