package identity_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// role gives the node another role in its row.
func (c *cluster) role(id *identity.Identity, role specs.Role) {
	c.Helper()
	node, _ := c.store.Snapshot().Node(id.Credentials().Self().NodeID)
	node.Spec.Role = role
	c.write(specs.Change{NodeSpec: specs.Set(node.ID, node.SpecVersion, node.Spec)})
}

func TestRenewalGivesTheRoleOfTheRow(t *testing.T) {
	c := newCluster(t, ca.Options{})
	id := c.join("w", specs.Worker)
	renewed := c.renewal(id)
	was := id.Credentials().Certificate()

	id.Expect(specs.Manager, "") // somebody says so; the row does not
	if before := <-renewed; before.Role != specs.Worker || id.Credentials().Self().Role != specs.Worker {
		t.Errorf("a worker made itself a %s", id.Credentials().Self().Role)
	}
	if is := id.Credentials().Certificate(); is.Equal(was) {
		t.Error("the certificate is the old one")
	}

	c.role(id, specs.Manager)
	id.Expect(specs.Manager, "")
	if <-renewed; id.Credentials().Self().Role != specs.Manager {
		t.Errorf("a worker that was promoted is a %s", id.Credentials().Self().Role)
	}
	loaded, err := identity.Load(c.at("w"))
	if err != nil || loaded.Certificate() != id.Certificate() {
		t.Errorf("on disk is %+v, %v", loaded, err)
	}
	c.mustGreet(id)
}

// TestVoterStaysAManager: with the certificate of a worker a node forgets what it
// knows as a manager, so one that is to be a worker stays what it is until the others
// can do without its vote.
func TestVoterStaysAManager(t *testing.T) {
	c := newCluster(t, ca.Options{})
	id := c.join("m", specs.Manager)
	renewed := c.renewal(id)
	c.votesOf(id.Credentials().Self().NodeID)
	c.role(id, specs.Worker)
	id.Expect("", "another") // as in a rotation
	if <-renewed; id.Credentials().Self().Role != specs.Manager {
		t.Fatalf("it votes and is a %s", id.Credentials().Self().Role)
	}
	c.votesOf("")
	id.Expect(specs.Worker, "")
	if <-renewed; id.Credentials().Self().Role != specs.Worker {
		t.Errorf("it votes no more and is a %s", id.Credentials().Self().Role)
	}
}

func (c *cluster) votesOf(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.votes = node
}

func TestWhatIsExpectedAlreadyIsNotRenewed(t *testing.T) {
	c := newCluster(t, ca.Options{})
	id := c.join("w", specs.Worker)
	renewed := c.renewal(id)
	id.Expect(specs.Worker, id.Certificate().Issuer)
	id.Expect("", "")
	c.role(id, specs.Manager)
	id.Expect(specs.Manager, "")
	<-renewed
	select {
	case <-renewed:
		t.Error("renewed twice")
	default:
	}
}

func TestWorkerCannotJoinAsAManagerWithItsCertificate(t *testing.T) {
	c := newCluster(t, ca.Options{})
	id := c.join("w", specs.Worker)
	client := id.Credentials().Client(c.managers[0].addr)
	defer client.Close()
	reply, err := wire.Certify.Call(t.Context(), client, wire.CertifyRequest{CSR: newCSR(t)})
	if err != nil || reply.Role != specs.Worker || reply.NodeID != id.Credentials().Self().NodeID {
		t.Errorf("got %s %s, %v", reply.Role, reply.NodeID, err)
	}
	other := c.managers[0].id.Credentials().Self().NodeID
	if _, err := wire.Certify.Call(t.Context(), client, wire.CertifyRequest{CSR: newCSR(t), NodeID: other}); wire.KindOf(err) != wire.PermissionDenied {
		t.Errorf("a worker became node %s: %v", other, err)
	}
}

// TestRotation leads a cluster of three real nodes to another root, with a new
// leader in the middle.
func TestRotation(t *testing.T) {
	c := newCluster(t, ca.Options{})
	m1 := c.managers[0]
	m2 := c.manage(c.join("m2", specs.Manager))
	ids := []*identity.Identity{m1.id, m2.id, c.join("w", specs.Worker)}
	var renewed []<-chan wire.Identity
	for _, id := range ids {
		c.mustGreet(id)
		renewed = append(renewed, c.renewal(id))
	}
	tokens := c.store.Snapshot().Authority()
	if err := m1.Rotate(t.Context(), ca.Options{}); err != nil {
		t.Fatal(err)
	}
	was := tokens.Issuer()
	for _, round := range []string{"while it rotates", "when it has rotated"} {
		var now specs.Hash
		for i, id := range ids {
			now = c.toldOf(id, was)
			id.Expect("", now)
			<-renewed[i]
			if id.Certificate().Issuer != now {
				t.Fatalf("%s: node %d has a certificate from %s, not %s", round, i, id.Certificate().Issuer.Short(), now.Short())
			}
			if i == 0 && round == "while it rotates" {
				c.lead(m2)
			}
			for _, other := range ids { // all still meet all
				c.mustGreet(other)
			}
		}
		was = now
	}
	after := c.store.Snapshot().Authority()
	if p := m2.Progress(); p.Rotating || p.Renewed != 3 || after.Issuer() != was {
		t.Errorf("not at its end: %s", p)
	}
	if after.Root.Digest() == tokens.Root.Digest() || after.Worker == tokens.Worker || after.Manager == tokens.Manager {
		t.Error("something is what it was before")
	}
	for i, id := range ids {
		cert, err := os.ReadFile(filepath.Join(c.at([]string{"first", "m2", "w"}[i]), "current", "cert.pem"))
		if count := strings.Count(string(cert), "BEGIN"); err != nil || count != 1 || !from(id, after.Root) {
			t.Errorf("node %d has %d certificates, %v", i, count, err)
		}
	}
	late := c.join("late", specs.Worker)
	c.mustGreet(late)
	old := specs.JoinToken{Root: tokens.Root.Digest()}
	if !ids[2].Knows(old) || !ids[2].Knows(specs.JoinToken{Root: after.Root.Digest()}) || late.Knows(old) {
		t.Error("a node knows the tokens of the root by which it joined and of those that it trusts, and no others")
	}
}

// toldOf waits until a node is told of another issuer than was.
func (c *cluster) toldOf(id *identity.Identity, was specs.Hash) specs.Hash {
	c.mu.Lock()
	defer c.mu.Unlock()
	node := id.Credentials().Self().NodeID
	for c.told[node] == "" || c.told[node] == was {
		c.telling.Wait()
	}
	return c.told[node]
}

// from reports whether a root itself has signed a node's certificate.
func from(id *identity.Identity, root specs.RootCA) bool {
	digest := root.Digest()
	return id.Certificate().Issuer == specs.Hash(hex.EncodeToString(digest[:]))
}
