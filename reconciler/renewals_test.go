package reconciler

import (
	"testing"
	"testing/synctest"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/specs"
)

// TestRenewalsEnd: a node is told to renew only while the certificate that it would
// get is the one that it is told of. It would else renew without end: each renewal
// opens its session anew, and it is told again.
func TestRenewalsEnd(t *testing.T) {
	for name, overtake := range map[string]func(*testing.T, *Manager){
		"the rotation is aborted": func(t *testing.T, m *Manager) {
			if err := m.authority.Abort(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		// What a manager was told in a term of its own is still there in its next.
		"another leader has ended the rotation": func(t *testing.T, m *Manager) {
			a := m.store.Snapshot().Authority()
			a.Root, a.Rotation = a.Rotation.To, nil
			m.write(t, specs.Change{Authority: &a}, has(m, "n2", a.Issuer()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, true, func(t *testing.T, m *Manager) {
				begun, err := ca.NewAuthority(ca.Options{}, m.raft.Now())
				if err != nil {
					t.Fatal(err)
				}
				begun.Version = m.store.Snapshot().Authority().Version
				m.write(t, specs.Change{Authority: &begun}, specs.Change{Node: specs.Insert("n2", specs.Node{})})
				m.write(t, has(m, "n2", begun.Issuer()))

				if err := m.authority.Rotate(t.Context(), ca.Options{}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				told, _ := m.renewals.of("n2")
				if is := m.store.Snapshot().Authority().Issuer(); specs.Hash(told) != is {
					t.Fatalf("n2 is told of %q, and certificates are signed with %q", told, is)
				}
				overtake(t, m)
				synctest.Wait()
				if told, _ := m.renewals.of("n2"); told != "" {
					t.Errorf("n2 is told to renew, and has the certificate that it is to have")
				}
			})
		})
	}
}

// has is that the node has a certificate of that issuer.
func has(m *Manager, nodeID string, issuer specs.Hash) specs.Change {
	node, _ := m.store.Snapshot().Node(nodeID)
	seen := node.Seen
	seen.Status, seen.Certificate = specs.NodeDown, specs.NodeCertificate{Role: specs.Worker, Issuer: issuer}
	return specs.Change{NodeSeen: specs.Set(nodeID, node.SeenVersion, seen)}
}
