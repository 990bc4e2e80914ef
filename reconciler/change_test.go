package reconciler

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Whose time is over before anything is proposed hears why.
func TestWhatCameTooLateIsSaidSo(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(api.ErrTokenGone)
		err := m.Propose(ctx, specs.Transaction{{Source: specs.Insert("infra", specs.Source{Name: "infra"})}})
		if !errors.Is(err, api.ErrTokenGone) {
			t.Errorf("it is said: %v", err)
		}
	})
}

// Who stops waiting for a disk that hangs may have changed the cluster, whatever has
// ended the waiting.
func TestWhatMayHaveBeenWrittenIsSaidSo(t *testing.T) {
	for name, end := range map[string]error{"the time is over": context.DeadlineExceeded, "the token is gone": api.ErrTokenGone} {
		t.Run(name, func(t *testing.T) {
			bubble(t, false, func(t *testing.T, m *Manager) {
				release := m.cfg.Memory.Hang()
				defer release()
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(end) })
				err := m.Propose(ctx, specs.Transaction{{Source: specs.Insert("infra", specs.Source{Name: "infra"})}})
				if wire.KindOf(err) != wire.OutcomeUnknown || !errors.Is(err, end) {
					t.Errorf("it is said: %s: %v", wire.KindOf(err), err)
				}
			})
		})
	}
}
