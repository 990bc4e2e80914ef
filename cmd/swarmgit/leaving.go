package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/runtime/mounts"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// errLeft ends a daemon whose node has left its cluster.
var errLeft = errors.New("this node has left its cluster")

// leaving is a node's way out of its cluster, between who asks and who does it.
type leaving struct {
	once  *sync.Once    // a node leaves once
	asked chan struct{} // closed by who asks
	said  chan string   // what happens, for who asked; closed when the tasks have ended
}

func newLeaving() leaving {
	const words = 8 // more than are ever said, so that nobody waits for who asked
	return leaving{once: new(sync.Once), asked: make(chan struct{}), said: make(chan string, words)}
}

// askToLeave answers the owner of the daemon.
func (n *node) askToLeave(ctx context.Context, req leaveRequest, send func(leaveReply) error) error {
	if m := n.managing(); m != nil && !req.Force {
		return mayLeave(len(m.Managers()), len(slices.Collect(m.Snapshot().Nodes())))
	}
	first := false
	n.leaving.once.Do(func() {
		first = true
		close(n.leaving.asked)
	})
	if !first {
		return wire.Errorf(wire.InvalidArgument, "this node is leaving already: see the daemon's log")
	}
	for {
		select {
		case text, more := <-n.leaving.said:
			if !more {
				return nil
			}
			if err := send(leaveReply{Text: text, DataDir: n.cfg.dataDir}); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// mayLeave says why a manager has to be forced to leave a cluster of so many
// managers that vote, and so many nodes.
func mayLeave(managers, nodes int) error {
	if managers < 2 {
		lost := "its services, its revisions and its Git repository are lost"
		if nodes > 1 {
			lost += fmt.Sprintf(", and with them what leads %s", plural(nodes-1, "other node"))
		}
		return wire.Errorf(wire.InvalidArgument, "refused: this node is the only manager: the cluster ends with it: %s: --force if that is meant", lost)
	}
	return wire.Errorf(wire.InvalidArgument, "refused: this node is one of %d managers, and its vote would count as lost: %d of %[1]d have to agree to every change: "+
		"demote it first (swarmgit node demote self); --force does that too, and goes in any case", managers, managers/2+1)
}

// leave waits until the node is to leave, and leaves: errLeft, once the managers
// have been told and no task of it is left.
func (n *node) leave(ctx context.Context) error {
	select {
	case <-n.leaving.asked:
	case <-ctx.Done():
		return nil
	}
	defer close(n.leaving.said)
	n.resign(ctx)
	if err := n.agent.Leave(ctx, n.goodbye); err != nil {
		return err
	}
	return errLeft
}

// say tells who asked, and the log.
func (n *node) say(ctx context.Context, text string) {
	n.cfg.log.InfoContext(ctx, "leaving the cluster", "step", text)
	n.leaving.said <- text
}

const (
	// resignPatience bounds how long the other managers may take to let one go.
	resignPatience = 30 * time.Second
	// resignPause is how often this node looks whether they have.
	resignPause = 50 * time.Millisecond
	// goodbyePatience bounds how long one manager may take to forget a node.
	goodbyePatience = 5 * time.Second
)

// resign makes a manager a worker first, if there are others: so they need not
// wait for its vote. One that cannot be let go goes all the same: it was forced.
func (n *node) resign(ctx context.Context) {
	m := n.managing()
	switch {
	case m == nil:
		return
	case len(m.Managers()) < 2:
		n.say(ctx, "the cluster ends with its last manager")
		return
	}
	n.say(ctx, "giving up its vote as a manager")
	ctx, cancel := context.WithTimeout(ctx, resignPatience)
	defer cancel()
	if err := n.becomeWorker(ctx); err != nil {
		n.say(ctx, fmt.Sprintf("it goes with its vote: %v; on another manager: swarmgit node demote %s, then swarmgit node rm %[2]s", err, n.id()))
	}
}

func (n *node) becomeWorker(ctx context.Context) error {
	client, err := (&options{host: n.cfg.socket}).connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := api.UpdateNode.Call(ctx, client, api.UpdateNodeRequest{Name: n.id(), Role: specs.Worker}); err != nil {
		return err
	}
	for look := time.NewTicker(resignPause); n.managing() != nil; {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("it is still a manager after %s", resignPatience)
		}
	}
	return nil
}

// goodbye has the managers forget this node, if it is a worker and one of them
// can be reached.
func (n *node) goodbye(ctx context.Context) {
	if n.managing() == nil {
		n.say(ctx, n.tellManagers(ctx))
	}
	n.say(ctx, "stopping its tasks, each within its grace period")
}

// tellManagers asks the leader first, and says what came of it.
func (n *node) tellManagers(ctx context.Context) string {
	known := slices.Clone(n.agent.Known())
	slices.SortStableFunc(known, func(a, b wire.Manager) int {
		switch {
		case a.Leader == b.Leader:
			return 0
		case a.Leader:
			return -1
		}
		return 1
	})
	var why reasons
	for _, m := range known {
		err := n.tell(ctx, m.Addr)
		if err == nil || wire.KindOf(err) == wire.NotFound {
			return "the managers have forgotten it"
		}
		why.add(m.Addr, strings.TrimPrefix(err.Error(), m.Addr+": "))
	}
	return fmt.Sprintf("no manager could be told (%s): if this node is still in \"swarmgit node ls\" there: swarmgit node rm %s", why, n.id())
}

// reasons are why managers could not be told, each with the addresses of those
// that gave it.
type reasons []struct{ addrs, why string }

func (r *reasons) add(addr, why string) {
	for i := range *r {
		if one := &(*r)[i]; one.why == why {
			one.addrs += ", " + addr
			return
		}
	}
	*r = append(*r, struct{ addrs, why string }{addr, why})
}

func (r reasons) String() string {
	var all []string
	for _, one := range r {
		all = append(all, one.addrs+": "+one.why)
	}
	return strings.Join(all, "; ")
}

func (n *node) tell(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, goodbyePatience)
	defer cancel()
	client := n.identity.Credentials().Client(addr)
	defer client.Close()
	_, err := wire.Leave.Call(ctx, client, wire.LeaveRequest{})
	return err
}

// forget ends what outlives the daemon and removes what made this machine a node,
// its identity last: until then it can be asked to leave again. Images and volumes
// stay.
func (n *node) forget(ctx context.Context) error {
	if err := endWorker(ctx, n.cfg.dataDir); err != nil {
		return err
	}
	for _, name := range clusterState {
		if err := mounts.RemoveAll(n.path(name)); err != nil {
			return fmt.Errorf("forget the cluster: %w", err)
		}
	}
	err := errors.Join(os.RemoveAll(firstPath(n.cfg.dataDir)), os.RemoveAll(settingsPath(n.cfg.dataDir)))
	if err == nil {
		err = identity.Forget(identityDir(n.cfg.dataDir))
	}
	if err != nil {
		return fmt.Errorf("forget the cluster: %w", err)
	}
	return nil
}
