package agent

import (
	"context"
	"sync"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// leave is the node's way out of its cluster, which is taken once.
type leave struct {
	once    sync.Once
	goodbye func(context.Context) // set before asked is closed
	asked   chan struct{}         // closed by the first call of Leave
	done    chan struct{}         // closed once nothing of the node's tasks is left
}

func newLeave() *leave { return &leave{asked: make(chan struct{}), done: make(chan struct{})} }

// Leave ends the node's part in the cluster. The agent keeps no session from then
// on; it calls goodbye, for the managers to be told, and then stops every task,
// with its signal and its grace, and removes what is left of it. Leave returns nil
// once that is done. When ctx ends first it goes on without the caller, who may
// call again.
func (a *Agent) Leave(ctx context.Context, goodbye func(context.Context)) error {
	a.leave.once.Do(func() {
		a.leave.goodbye = goodbye
		close(a.leave.asked)
	})
	select {
	case <-a.leave.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work keeps sessions until ctx ends, or the node is to leave and has left.
func (a *Agent) work(ctx context.Context) {
	member, quit := context.WithCancel(ctx)
	defer quit()
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-a.leave.asked:
			quit()
		case <-member.Done():
		}
	})
	watch.Go(func() { a.collect(member) })
	a.sessions(ctx, member)
	watch.Wait()
	if ctx.Err() != nil {
		return
	}
	a.leave.goodbye(ctx)
	// No task is one of the node's any more: it has no tasks that could lack a spec.
	_ = a.crew.assign(ctx, wire.Assignments{Full: true}, nil)
	a.crew.wait()
	if ctx.Err() == nil {
		close(a.leave.done)
	}
}
