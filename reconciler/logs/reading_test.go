package logs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// at gives lines the time of so many seconds.
func at(seconds int, batch wire.LogBatch) wire.LogBatch {
	for i := range batch.Lines {
		batch.Lines[i].At = time.Unix(int64(seconds), 0)
	}
	return batch
}

var away = wire.Errorf(wire.Unavailable, "it is not connected")

func TestFollowersGetTheRestWhenTheNodeIsBack(t *testing.T) {
	one := []specs.Task{task("t1", 1, "n1")}
	two := append(slices.Clone(one), task("t2", 2, "n1"))
	sent := wire.LogBatch{Lines: append(at(10, lines("t1", "a")).Lines, at(20, lines("t1", "b", "c")).Lines...)}
	for _, c := range []struct {
		name  string
		tasks []specs.Task
		node  agent
		want  []string
		tail  int // of the last question
		since int
	}{
		{"it was away from the start", one,
			agent{err: away, back: &agent{batches: []wire.LogBatch{at(10, lines("t1", "a"))}, follows: true}},
			[]string{"! logs of shop_web.1 on alpha: it is not connected; they go on when it is back", "shop_web.1@alpha a"}, 5, 0},
		{"it goes away in between", one,
			agent{batches: []wire.LogBatch{at(10, lines("t1", "a")), at(20, lines("t1", "b", "c"))}, err: away, back: &agent{
				batches: []wire.LogBatch{at(20, lines("t1", "b", "c", "d")), at(30, lines("t1", "e"))}, follows: true}},
			[]string{
				"shop_web.1@alpha a", "shop_web.1@alpha b", "shop_web.1@alpha c",
				"! logs of shop_web.1 on alpha: it is not connected; they go on when it is back",
				"shop_web.1@alpha d", "shop_web.1@alpha e",
			}, -1, 20},
		{"one of its tasks was behind", two,
			agent{batches: []wire.LogBatch{sent, at(15, lines("t2", "x"))}, err: away, back: &agent{
				batches: []wire.LogBatch{at(20, lines("t1", "b", "c")), at(15, lines("t2", "x")), at(16, lines("t2", "y"))}, follows: true}},
			[]string{
				"shop_web.1@alpha a", "shop_web.1@alpha b", "shop_web.1@alpha c", "shop_web.2@alpha x",
				"! logs of shop_web.1 and 1 more on alpha: it is not connected; they go on when it is back",
				"shop_web.2@alpha y",
			}, -1, 15},
		{"nothing came of one of its tasks yet", two,
			agent{batches: []wire.LogBatch{sent}, err: away, back: &agent{
				batches: []wire.LogBatch{sent, at(15, lines("t2", "x"))}, err: away, back: &agent{
					batches: []wire.LogBatch{at(20, lines("t1", "b", "c")), at(15, lines("t2", "x", "y"))}, follows: true}}},
			[]string{
				"shop_web.1@alpha a", "shop_web.1@alpha b", "shop_web.1@alpha c",
				"! logs of shop_web.1 and 1 more on alpha: it is not connected; they go on when it is back",
				"shop_web.2@alpha x",
				"! logs of shop_web.1 and 1 more on alpha: it is not connected; they go on when it is back",
				"shop_web.2@alpha y",
			}, -1, 15},
		{"twice", one,
			agent{batches: []wire.LogBatch{at(10, lines("t1", "a"))}, err: away, back: &agent{
				batches: []wire.LogBatch{at(10, lines("t1", "a")), at(20, lines("t1", "b"))}, err: away, back: &agent{
					batches: []wire.LogBatch{at(20, lines("t1", "b", "c"))}, follows: true}}},
			[]string{
				"shop_web.1@alpha a", "! logs of shop_web.1 on alpha: it is not connected; they go on when it is back",
				"shop_web.1@alpha b", "! logs of shop_web.1 on alpha: it is not connected; they go on when it is back",
				"shop_web.1@alpha c",
			}, -1, 20},
		{"it is removed meanwhile", one,
			agent{err: away, lost: wire.Errorf(wire.NotFound, "node n1 was removed from the cluster")},
			[]string{
				"! logs of shop_web.1 on alpha: it is not connected; they go on when it is back",
				"! logs of shop_web.1 on alpha: node n1 was removed from the cluster",
			}, 5, 0},
	} {
		tail := 5
		if strings.HasPrefix(c.name, "nothing came") {
			tail = -1
		}
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.node.away = time.Minute
				j, a := joiner(t, map[string]agent{"n1": c.node})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				got, err := join(ctx, j, c.tasks, Request{Follow: true, Tail: tail}, nil)
				if err != nil && !errors.Is(err, context.DeadlineExceeded) || !slices.Equal(got, c.want) {
					t.Errorf("%v\n%s", err, strings.Join(got, "\n"))
				}
				since := time.Time{}
				if c.since > 0 {
					since = time.Unix(int64(c.since), 0)
				}
				if last := a.asked["n1"]; last.Tail != c.tail || !last.Since.Equal(since) {
					t.Errorf("asked last for %+v", last)
				}
			})
		})
	}
}

// A manager that leads no more reaches no node: the stream ends, whoever reads it
// asks the next leader. Following or not, while nodes are awaited too.
func TestTheEndOfLeadershipEndsTheStream(t *testing.T) {
	lost := wire.Errorf(wire.NotLeader, "this manager does not lead")
	for name, c := range map[string]struct {
		node   agent
		follow bool
	}{
		"asked":     {agent{err: lost}, false},
		"following": {agent{err: lost}, true},
		"awaiting":  {agent{err: away, lost: lost, away: time.Minute}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, _ := joiner(t, map[string]agent{"n1": c.node, "n2": {follows: true}})
			tasks := []specs.Task{task("t1", 1, "n1"), task("t2", 2, "n2")}
			if _, err := join(t.Context(), j, tasks, Request{Follow: c.follow}, nil); wire.KindOf(err) != wire.NotLeader {
				t.Errorf("%s: ended with %v", name, err)
			}
			pick := func(store.Snapshot) []specs.Task { return tasks }
			if err := j.Follow(t.Context(), pick, Request{Follow: true}, func(Batch) error { return nil }); c.follow && wire.KindOf(err) != wire.NotLeader {
				t.Errorf("%s: followed until %v", name, err)
			}
		})
	}
}
