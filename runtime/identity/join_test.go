package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/ca"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func TestMachinesJoin(t *testing.T) {
	c := newCluster(t, ca.Options{})
	for _, role := range []specs.Role{specs.Worker, specs.Manager} {
		id := c.join(string(role), role)
		self := id.Credentials().Self()
		node, ok := c.store.Snapshot().Node(self.NodeID)
		if !ok || node.Spec.Role != role || self.Role != role || self.ClusterID != "prod" || node.Created.IsZero() {
			t.Errorf("%s: joined as %+v, with the row %+v", role, self, node)
		}
		loaded, err := identity.Load(c.at(string(role)))
		if err != nil || loaded.Credentials().Self() != self || loaded.Certificate() != id.Certificate() {
			t.Errorf("%s: read again as %+v, %v", role, loaded, err)
		}
		c.mustGreet(loaded)
		if node, _ := c.store.Snapshot().Node(self.NodeID); node.Seen.Certificate != id.Certificate() {
			t.Errorf("%s: the managers see %+v, it is %+v", role, node.Seen.Certificate, id.Certificate())
		}
	}
}

func TestFilesArePrivate(t *testing.T) {
	c := newCluster(t, ca.Options{})
	c.join("w", specs.Worker)
	count := 0
	err := filepath.WalkDir(c.at("w"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err
		}
		info, err := d.Info()
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %s", path, mode)
		}
		count++
		return err
	})
	if err != nil || count != 6 { // two directories, four files
		t.Errorf("%d files and directories, %v", count, err)
	}
}

func TestRefusedMachines(t *testing.T) {
	c := newCluster(t, ca.Options{})
	worker, err := c.managers[0].JoinToken(specs.Worker)
	if err != nil {
		t.Fatal(err)
	}
	wrongSecret, otherCluster := worker, worker
	wrongSecret.Secret = "0000000000000000000000000"
	otherCluster.Root[0]++
	rotated, err := c.managers[0].RotateJoinToken(t.Context(), specs.Worker)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		token specs.JoinToken
		want  string
	}{
		"another cluster": {otherCluster, `: the token is for another cluster (its certificate digest differs), or older than the last "swarmgit ca rotate": get one with "swarmgit join-token worker" there`},
		"wrong secret":    {wrongSecret, `: this join token is not valid any more: get one with "swarmgit join-token worker" on a manager`},
		"rotated away":    {worker, `this join token is not valid any more`},
		"no secret":       {specs.JoinToken{Root: worker.Root}, `a machine joins with a token`},
		"a good one":      {rotated, ""},
	} {
		_, err := identity.Join(t.Context(), c.at(name), []string{c.managers[0].addr}, tc.token, c.log)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "join "+c.managers[0].addr+": ") || strings.Contains(err.Error(), string(tc.token.Secret)) && tc.token.Secret != "") {
			t.Errorf("%s: said as %v", name, err)
		}
		if _, loaded := identity.Load(c.at(name)); err != nil && !errors.Is(loaded, identity.ErrNone) {
			t.Errorf("%s: left an identity: %v", name, loaded)
		}
	}
	if nodes := c.nodes(); nodes != 2 {
		t.Errorf("%d nodes", nodes)
	}
}

func (c *cluster) nodes() int {
	count := 0
	for range c.store.Snapshot().Nodes() {
		count++
	}
	return count
}

func TestJoinAtAFollower(t *testing.T) {
	c := newCluster(t, ca.Options{})
	follower := c.manage(c.join("m2", specs.Manager))
	id := c.join("w", specs.Worker, follower.addr)
	c.mustGreet(id)

	c.lead(follower)
	c.mustGreet(c.join("w2", specs.Worker)) // asks the first manager, which leads no more
}

// TestAnAnswerThatWasLost has a machine ask again with the key that it had kept.
func TestAnAnswerThatWasLost(t *testing.T) {
	c := newCluster(t, ca.Options{})
	token, _ := c.managers[0].JoinToken(specs.Worker)
	if err := os.Mkdir(c.at("w"), 0o700); err != nil {
		t.Fatal(err)
	}
	id := c.join("w", specs.Worker)
	key, err := os.ReadFile(filepath.Join(c.at("w"), "current", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	again := c.at("again")
	if err := errors.Join(os.Mkdir(again, 0o700), os.WriteFile(filepath.Join(again, "pending-key.pem"), key, 0o600)); err != nil {
		t.Fatal(err)
	}
	second, err := identity.Join(t.Context(), again, []string{c.managers[0].addr}, token, c.log)
	if err != nil || second.Credentials().Self() != id.Credentials().Self() || c.nodes() != 2 {
		t.Errorf("joined again as %+v, %v; %d nodes", second, err, c.nodes())
	}
	if left, _ := filepath.Glob(filepath.Join(again, "pending*")); left != nil {
		t.Errorf("left %v", left)
	}
}

func TestReplayedRequestIsOfNoUse(t *testing.T) {
	c := newCluster(t, ca.Options{})
	token, _ := c.managers[0].JoinToken(specs.Worker)
	manager, _ := c.managers[0].JoinToken(specs.Manager)
	csr := newCSR(t)
	client := wire.JoinClient(c.managers[0].addr, token.Root)
	defer client.Close()
	first, err := wire.Certify.Call(t.Context(), client, wire.CertifyRequest{CSR: csr, Secret: token.Secret})
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]specs.Hidden{"the same token": token.Secret, "the manager's token": manager.Secret} {
		got, err := wire.Certify.Call(t.Context(), client, wire.CertifyRequest{CSR: csr, Secret: secret})
		if err != nil || got.NodeID != first.NodeID || got.Role != specs.Worker || c.nodes() != 2 {
			t.Errorf("%s: %s %s, %v; %d nodes", name, got.Role, got.NodeID, err, c.nodes())
		}
	}
	for name, request := range map[string]wire.CertifyRequest{
		"garbage":                     {CSR: []byte("garbage"), Secret: token.Secret},
		"tampered":                    {CSR: append(csr[:len(csr)-1:len(csr)-1], csr[len(csr)-1]^1), Secret: token.Secret},
		"no secret":                   {CSR: csr},
		"readmission by a join token": {CSR: csr, Secret: token.Secret, NodeID: first.NodeID},
		"readmission of nobody":       {CSR: csr, Secret: token.Secret, NodeID: "nobody"},
	} {
		if _, err := wire.Certify.Call(t.Context(), client, request); err == nil {
			t.Errorf("%s: got a certificate", name)
		}
	}
}

// The managers know a machine by name before it opens a session.
func TestJoinTellsTheHostname(t *testing.T) {
	c := newCluster(t, ca.Options{})
	id := c.join("w", specs.Worker)
	want, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if node, ok := c.store.Snapshot().Node(id.Credentials().Self().NodeID); !ok || node.Name() != want {
		t.Errorf("the node is called %s, want %s", node.Name(), want)
	}
}

func TestRemovedNode(t *testing.T) {
	c := newCluster(t, ca.Options{})
	id := c.join("w", specs.Worker)
	c.mustGreet(id)
	snap := c.store.Snapshot()
	node, _ := snap.Node(id.Credentials().Self().NodeID)
	c.write(ca.Removal(snap.Authority(), c.now(), node)...)
	if _, err := c.greet(id); err == nil || !strings.Contains(err.Error(), "the node was removed") {
		t.Errorf("a removed node is let in: %v", err)
	}
	until := c.store.Snapshot().Authority().Removed[node.ID]
	if until.Before(id.Certificate().NotAfter) {
		t.Errorf("refused until %s, the certificate is good until %s", until, id.Certificate().NotAfter)
	}
	if err := identity.Forget(c.at("w")); err != nil {
		t.Fatal(err)
	}
	if again := c.join("w", specs.Worker); again.Credentials().Self().NodeID == node.ID {
		t.Error("it came back as the node that it was")
	}
}

func TestNodeWhoseCertificateHasRunOutIsReadmitted(t *testing.T) {
	c := newCluster(t, ca.Options{})
	self := c.join("w", specs.Worker).Credentials().Self()
	c.expire("w", self)
	old, err := identity.Load(c.at("w"))
	if !errors.Is(err, identity.ErrExpired) || !strings.Contains(err.Error(), "swarmgit node readmit "+self.NodeID) {
		t.Fatalf("loaded as %v", err)
	}
	if _, err := c.greet(old); err == nil {
		t.Error("it is let in")
	}
	m := c.managers[0]
	join, _ := m.JoinToken(specs.Worker)
	replaced, err1 := m.Readmit(t.Context(), self.NodeID)
	token, err2 := m.Readmit(t.Context(), self.NodeID)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []specs.JoinToken{join, replaced} {
		if _, err := identity.Join(t.Context(), c.at("w"), []string{m.addr}, bad, c.log); err == nil || !strings.Contains(err.Error(), "swarmgit node readmit") {
			t.Errorf("with another token: %v", err)
		}
	}
	id, err := identity.Join(t.Context(), c.at("w"), []string{m.addr}, token, c.log)
	if err != nil || id.Credentials().Self() != self || c.nodes() != 2 {
		t.Fatalf("readmitted as %+v, %v; %d nodes", id, err, c.nodes())
	}
	c.mustGreet(id)

	c.expire("w", self)
	if _, err := identity.Join(t.Context(), c.at("w"), []string{m.addr}, token, c.log); err == nil {
		t.Error("the token is good twice")
	}
}

// expire gives a machine the certificate that it would have after a long time.
func (c *cluster) expire(machine string, self wire.Identity) {
	c.Helper()
	set := filepath.Join(c.at(machine), "current")
	text, err := os.ReadFile(filepath.Join(set, "key.pem"))
	if err != nil {
		c.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		c.Fatal(err)
	}
	long := c.now().Add(-specs.DefaultCertExpiry - time.Minute)
	reply, err := ca.Issue(c.Context(), c.store.Snapshot().Authority(), newCSR(c.T, key), self, long, nil)
	if err != nil {
		c.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: reply.Chain[0]})
	if err := os.WriteFile(filepath.Join(set, "cert.pem"), cert, 0o600); err != nil {
		c.Fatal(err)
	}
}

// newCSR is a request with a key, a new one by default.
func newCSR(t *testing.T, keys ...any) []byte {
	t.Helper()
	if len(keys) == 0 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, keys[0])
	if err != nil {
		t.Fatal(err)
	}
	return csr
}
