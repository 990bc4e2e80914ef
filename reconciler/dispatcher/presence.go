package dispatcher

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// graceBeats is how many heartbeats a node may miss before it is down.
	graceBeats = 3
	// firstGraceBeats is the same for nodes that a new leader has yet to hear.
	firstGraceBeats = 6
	// beatJitter is the part of its period by which a heartbeat comes earlier or
	// later at most, so that the nodes spread over the period.
	beatJitter = 10
	// beatSlots is at how many moments of a period the heartbeats come in.
	beatSlots = 20
	// retryPause is the wait after a proposal that did not succeed.
	retryPause = time.Second
)

// presence is when a node is down unless it is heard of before.
type presence struct {
	deadline time.Time
	heard    time.Time // by the cluster's clock: when its first session of this term stood; zero if none did
}

// period is how often nodes say that they live.
func (t *term) period() time.Duration {
	return t.Store.Snapshot().Cluster().Spec.Heartbeat()
}

// nextBeat is in how long a node is to say again that it lives. Those of a slot come
// in together: being woken costs a leader that is idle more than what it is woken for.
func nextBeat(now time.Time, period time.Duration) time.Duration {
	most := max(period/beatJitter, 1)
	next := now.Add(period - most + rand.N(2*most))
	return next.Round(period / beatSlots).Sub(now)
}

// expectNodes gives every node that is ready time to find this leader.
func (t *term) expectNodes(now time.Time) {
	for node := range t.Store.Snapshot().Nodes() {
		t.expect(node, now)
	}
}

// expect has a node that is ready heard of in time, so that none is ready for
// ever; the caller holds the mutex. It was given up if its being ready took
// longer to be written than its grace.
func (t *term) expect(node specs.Node, now time.Time) {
	if _, expected := t.presence[node.ID]; !expected && node.Seen.Status == specs.NodeReady {
		t.presence[node.ID] = presence{deadline: now.Add(firstGraceBeats * t.period())}
	}
}

// hear notes that the node lives, and how long it may say nothing; the caller
// holds the mutex.
func (t *term) hear(nodeID string, now time.Time, period time.Duration) {
	p := t.presence[nodeID]
	p.deadline = now.Add(graceBeats * period)
	t.presence[nodeID] = p
	if p.deadline.Before(t.nextLook) {
		signal(t.sooner)
	}
}

func (t *term) heard(nodeID string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.presence[nodeID].heard
}

// watchPresence writes down which nodes are down.
func (t *term) watchPresence(ctx context.Context) error {
	for {
		silent, next := t.silent(time.Now())
		if err := t.writeDown(ctx, silent); err != nil {
			t.Log.WarnContext(ctx, "cannot write that nodes are down; trying again", "nodes", len(silent), "error", err)
			next = time.Now().Add(retryPause)
		}
		pause := time.NewTimer(time.Until(next))
		select {
		case <-t.sooner:
		case <-pause.C:
		case <-ctx.Done():
		}
		pause.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// silent returns the nodes whose deadline has passed, their sessions ended, and
// when to look again; a deadline that is set meanwhile and comes before is told
// of by sooner.
func (t *term) silent(now time.Time) (nodeIDs []string, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next = now.Add(graceBeats * t.period())
	for id, p := range t.presence {
		switch {
		case !p.deadline.After(now):
			nodeIDs = append(nodeIDs, id)
			if s := t.sessions[id]; s != nil {
				t.drop(s, wire.Errorf(wire.Unavailable, "nothing was heard of the node for %d heartbeats", graceBeats))
			}
		case p.deadline.Before(next):
			next = p.deadline
		}
	}
	t.nextLook = next
	return nodeIDs, next
}

// writeDown writes all of them at once, and looks again at those that somebody
// else wrote meanwhile.
func (t *term) writeDown(ctx context.Context, nodeIDs []string) error {
	snapshot := t.Store.Snapshot()
	var txs []specs.Transaction
	for _, id := range nodeIDs {
		node, known := snapshot.Node(id)
		if !known || node.Seen.Status == specs.NodeDown || !t.stillSilent(id) {
			continue
		}
		seen := node.Seen
		seen.Status, seen.Since = specs.NodeDown, t.Now()
		txs = append(txs, nodeSeen(node, seen))
		t.Log.WarnContext(ctx, "node is down: no heartbeat", "node", id)
	}
	if len(txs) > 0 {
		errs, err := t.Propose.Propose(ctx, txs)
		if err != nil {
			return err
		}
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
	}
	t.forgetSilent(nodeIDs)
	return nil
}

func (t *term) stillSilent(nodeID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.presence[nodeID].deadline.After(time.Now())
}

// forgetSilent ends the watch over nodes that are down.
func (t *term) forgetSilent(nodeIDs []string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range nodeIDs {
		if !t.presence[id].deadline.After(now) {
			delete(t.presence, id)
		}
	}
}
