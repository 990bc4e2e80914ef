package agent

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// desk asks the manager of the open session, if there is one, for what is in no
// assignment.
type desk struct {
	session atomic.Pointer[session] // nil between two sessions
	changed bell.Bell               // when session changes
}

func (k *desk) set(s *session) {
	k.session.Store(s)
	k.changed.Ring()
}

// now is the open session; it waits for one.
func (k *desk) now(ctx context.Context) (*session, error) {
	for {
		changed := k.changed.Next()
		if s := k.session.Load(); s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// content is one version of a secret or config of the task.
func (k *desk) content(ctx context.Context, taskID string, version specs.Hash) ([]byte, error) {
	reply, err := ask(ctx, k, wire.Content, func(sessionID string) wire.ContentRequest {
		return wire.ContentRequest{SessionID: sessionID, TaskID: taskID, Version: version}
	})
	return reply.Content, err
}

// login opens the registry of the task's image; the zero Login if nothing is kept
// for it.
func (k *desk) login(ctx context.Context, taskID string) (specs.Login, error) {
	return ask(ctx, k, wire.RegistryLogin, func(sessionID string) wire.RegistryLoginRequest {
		return wire.RegistryLoginRequest{SessionID: sessionID, TaskID: taskID}
	})
}

// needed are the images that the node must keep.
func (k *desk) needed(ctx context.Context) ([]string, error) {
	reply, err := ask(ctx, k, wire.NeededImages, func(sessionID string) wire.NeededImagesRequest {
		return wire.NeededImagesRequest{SessionID: sessionID}
	})
	return reply.Images, err
}

// ask waits for a manager and asks it, as long as its session is open. What it
// refuses or cannot answer says nothing about the task: it is asked again.
func ask[Req, Res any](ctx context.Context, k *desk, procedure wire.Unary[Req, Res], request func(sessionID string) Req) (Res, error) {
	s, err := k.now(ctx)
	if err != nil {
		var none Res
		return none, err
	}
	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	defer context.AfterFunc(s.over, giveUp)()
	reply, err := procedure.Call(asking, s.client, request(s.SessionID))
	if err != nil && s.over.Err() != nil {
		err = errOver
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", cmp.Or(ctx.Err(), executor.ErrTemporary), err)
	}
	return reply, err
}
