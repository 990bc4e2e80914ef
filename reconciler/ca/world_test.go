package ca

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

// world is a cluster as a rotation sees it: the authority's row, and machines
// with real certificates.
type world struct {
	t       tester
	a       specs.Authority
	now     time.Time
	nodes   map[string]*machine
	joined  int
	secrets int
	known   map[string]error // who believes whom stays as it is: by what that depends on
}

// machine is a node and what it has on its disk.
type machine struct {
	row   specs.Node
	reply wire.CertifyReply
	told  specs.Hash // to renew to, "" if nothing is to be done
}

func newWorld(t tester, count int) *world {
	t.Helper()
	a, err := NewAuthority(Options{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, a: a, now: noon, nodes: map[string]*machine{}, known: map[string]error{}}
	for range count {
		w.connect(w.join())
	}
	return w
}

// join makes a node that was not connected yet.
func (w *world) join() string {
	w.t.Helper()
	w.joined++
	id := fmt.Sprintf("n%d", w.joined)
	w.nodes[id] = &machine{row: specs.Node{ID: id, Spec: specs.NodeSpec{Role: specs.Manager}}}
	w.renew(id)
	return id
}

// renew gives a machine a new certificate. The managers see it when it connects.
func (w *world) renew(id string) {
	w.t.Helper()
	n := w.nodes[id]
	reply, err := Issue(context.Background(), w.a, newRequest(w.t), wire.Identity{NodeID: id, Role: n.row.Spec.Role, ClusterID: "prod"}, w.now, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	n.reply, n.told = reply, ""
}

// connect opens a session of a node, which shows its certificate.
func (w *world) connect(id string) {
	n := w.nodes[id]
	n.row.Seen.Status = specs.NodeReady
	n.row.Seen.Certificate = specs.NodeCertificate{Role: n.row.Spec.Role, Issuer: n.issuer(), NotAfter: w.leaf(id).NotAfter}
}

// issuer is what the node's certificate is signed with.
func (n *machine) issuer() specs.Hash {
	return hashOf(append(slices.Clone(n.reply.Chain), n.reply.Roots...)[1])
}

func (w *world) leaf(id string) *x509.Certificate {
	w.t.Helper()
	leaf, err := x509.ParseCertificate(w.nodes[id].reply.Chain[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return leaf
}

// rows are the nodes by ID, as the store has them.
func (w *world) rows() []specs.Node {
	var rows []specs.Node
	for _, n := range w.nodes {
		rows = append(rows, n.row)
	}
	slices.SortFunc(rows, func(a, b specs.Node) int { return strings.Compare(a.ID, b.ID) })
	return rows
}

// step is one look of a leader that knows nothing but the row: each is a new one.
func (w *world) step() step {
	s := next(w.a, w.rows(), w.now, func() specs.Hidden {
		w.secrets++
		return specs.Hidden(fmt.Sprintf("secret %d", w.secrets))
	})
	if s.Write != nil {
		w.a = *s.Write
	}
	for _, id := range s.Tell {
		if w.nodes[id].row.Seen.Status == specs.NodeReady {
			w.nodes[id].told = w.a.Issuer()
		}
	}
	return s
}

// rotate begins a rotation, which must be possible.
func (w *world) rotate(to specs.RootCA) {
	w.t.Helper()
	a, err := rotate(w.a, to, nil, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.a = a
}

// root makes a new root.
func (w *world) root() specs.RootCA {
	w.t.Helper()
	root, err := newRoot(w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	return root
}

// meets says why one node does not believe another, nil if it does.
func (w *world) meets(one, other string) error {
	n, m := w.nodes[one], w.nodes[other]
	return w.believes(other, n.reply.Roots, m.reply.Chain[1:])
}

// lets says why a machine that has a join token does not believe a node.
func (w *world) lets(id string) error {
	n := w.nodes[id]
	shown := slices.Concat(n.reply.Chain[1:], n.reply.Roots)
	roots := slices.DeleteFunc(slices.Clone(shown), func(der []byte) bool { return !bytes.Equal(der, derOf(w.a.Root.Cert)) })
	return w.believes(id, roots, shown)
}

// believes says why whoever trusts the roots does not believe a node.
func (w *world) believes(id string, roots, shown [][]byte) error {
	key := fmt.Sprint(hashOf(w.nodes[id].reply.Chain[0]), hashOf(bytes.Join(roots, nil)), hashOf(bytes.Join(shown, nil)))
	if err, ok := w.known[key]; ok {
		return err
	}
	_, err := w.leaf(id).Verify(x509.VerifyOptions{
		Roots: pool(roots), Intermediates: pool(shown), DNSName: wire.RoleName(specs.Manager), CurrentTime: w.now,
	})
	w.known[key] = err
	return err
}

// newRequest is a request with a new key.
func newRequest(t tester) []byte {
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
