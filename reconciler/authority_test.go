package reconciler

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// TestLastManagerStaysOne: two demotions at once may have left no row of a manager.
// The last that votes is still given the certificate of one: with that of a worker it
// would forget the cluster.
func TestLastManagerStaysOne(t *testing.T) {
	bubble(t, true, func(t *testing.T, m *Manager) {
		a, err := ca.NewAuthority(ca.Options{}, m.raft.Now())
		if err != nil {
			t.Fatal(err)
		}
		a.Version = m.store.Snapshot().Authority().Version
		n1, _ := m.store.Snapshot().Node("n1")
		m.write(t, specs.Change{Authority: &a}, specs.Change{NodeSpec: specs.Set("n1", n1.SpecVersion, specs.NodeSpec{Role: specs.Worker})})

		mux := http.NewServeMux()
		m.RegisterNodes(mux)
		client := wire.NewClient(serve(t, mux).AsNode(func() (wire.Identity, specs.NodeCertificate) {
			return wire.Identity{NodeID: "n1", Role: specs.Manager, ClusterID: "c1"}, specs.NodeCertificate{}
		}))
		defer client.Close()
		reply, err := wire.Certify.Call(t.Context(), client, wire.CertifyRequest{CSR: request(t)})
		if err != nil || reply.Role != specs.Manager {
			t.Errorf("the last manager becomes a %q, %v", reply.Role, err)
		}
	})
}

func request(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}
