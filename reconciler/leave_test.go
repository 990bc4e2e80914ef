package reconciler

import (
	"testing"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestANodeThatLeaves(t *testing.T) {
	bubble(t, false, func(t *testing.T, m *Manager) {
		for _, node := range []specs.Node{{ID: "w1"}, {ID: "m2", Spec: specs.NodeSpec{Role: specs.Manager}}} {
			m.write(t, specs.Change{Node: specs.Insert(node.ID, node)})
		}
		leave := func(id string) wire.Kind {
			ctx := wire.WithPeer(t.Context(), wire.Identity{NodeID: id, Role: specs.Worker})
			_, err := m.left(ctx, wire.LeaveRequest{})
			if err == nil {
				return 0
			}
			return wire.KindOf(err)
		}
		for _, tc := range []struct {
			name, node string
			want       wire.Kind
		}{
			{"a manager that votes", "n1", wire.InvalidArgument},
			{"a node that is to be a manager", "m2", wire.InvalidArgument},
			{"a worker", "w1", 0},
			{"one that has left", "w1", wire.NotFound},
		} {
			if got := leave(tc.node); got != tc.want {
				t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
			}
		}
		if _, known := m.store.Snapshot().Node("w1"); known {
			t.Error("it is still known")
		}
		if _, refused := m.store.Snapshot().Authority().Removed["w1"]; !refused {
			t.Error("its certificate is still good")
		}
		if _, err := m.left(t.Context(), wire.LeaveRequest{}); wire.KindOf(err) != wire.Unauthenticated {
			t.Errorf("who has no certificate: %v", err)
		}
		m.leading.Store(false)
		if got := leave("m2"); got != wire.NotLeader {
			t.Errorf("asked of a follower: %v", got)
		}
	})
}
