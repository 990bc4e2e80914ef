package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

var (
	// ErrNone says that this machine is no node yet.
	ErrNone = errors.New("this machine is no node of a cluster yet")
	// ErrExpired says that a node was off until its certificate had run out.
	ErrExpired = errors.New("the certificate has run out")
)

// Identity is who this node is: its key, its certificate, and the roots that it
// trusts. Safe for concurrent use.
type Identity struct {
	dir         string
	credentials *wire.Credentials

	mu      sync.Mutex
	pair    tls.Certificate
	chain   []*x509.Certificate
	roots   []*x509.Certificate
	wish    wish
	wished  chan struct{} // holds one token while wish is to be looked at
	trouble string        // see Trouble
}

// Ask has somebody sign a request for a certificate.
type Ask func(ctx context.Context, csr []byte) (wire.CertifyReply, error)

// Load reads the identity in dir. ErrNone says that there is none. One whose
// certificate has run out is returned beside an error that wraps ErrExpired: it
// is of no use but to be readmitted, or for a manager that can lead by itself
// and then renew it.
func Load(dir string) (*Identity, error) {
	f, err := read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("read this node's identity: %w", err)
	}
	i, err := f.identity(dir)
	if err != nil {
		return nil, fmt.Errorf("read this node's identity in %s: %w", dir, err)
	}
	return i, i.usable(time.Now())
}

// Forget takes the identity in dir away: this machine is no node any more.
func Forget(dir string) error { return os.RemoveAll(dir) }

// identity is what the files say.
func (f files) identity(dir string) (*Identity, error) {
	chain, err := parseCerts(f.cert)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	roots, err := parseCerts(f.roots)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rootsFile, err)
	}
	pair, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", keyFile, certFile, err)
	}
	credentials, err := wire.NewCredentials(pair, roots)
	if err != nil {
		return nil, err
	}
	return &Identity{dir: dir, credentials: credentials, pair: pair, chain: chain, roots: roots, wished: make(chan struct{}, 1)}, nil
}

// usable says in words why a certificate is of no use at a time.
func (i *Identity) usable(now time.Time) error {
	self, cert := i.credentials.Self(), i.credentials.Certificate()
	switch {
	case now.After(cert.NotAfter):
		return fmt.Errorf("node %s: %w on %s: run \"swarmgit node readmit %s\" on a manager, then start this daemon with the token that it prints",
			self.NodeID, ErrExpired, cert.NotAfter.Format(time.DateTime), self.NodeID)
	case now.Before(cert.NotBefore):
		return fmt.Errorf("node %s: its certificate is good from %s: is the clock of this machine right (%s)?",
			self.NodeID, cert.NotBefore.Format(time.DateTime), now.UTC().Format(time.DateTime))
	}
	return nil
}

// Create makes a key and the identity in dir with the certificate that ask gets
// for it. One that is there already is replaced once the new one is on disk.
func Create(ctx context.Context, dir string, ask Ask) (*Identity, error) {
	if err := errors.Join(os.MkdirAll(dir, 0o700), SyncDir(filepath.Dir(dir))); err != nil {
		return nil, err
	}
	f, err := obtain(ctx, dir, ask)
	if err != nil {
		return nil, err
	}
	i, err := f.identity(dir)
	if err != nil {
		return nil, fmt.Errorf("the certificate that was given to this node: %w", err)
	}
	if err := f.write(dir); err != nil {
		return nil, fmt.Errorf("keep this node's identity: %w", err)
	}
	return i, nil
}

// obtain gets a certificate for a new key.
func obtain(ctx context.Context, dir string, ask Ask) (files, error) {
	key, err := pendingKey(dir)
	if err != nil {
		return files{}, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return files{}, fmt.Errorf("ask for a certificate: %w", err)
	}
	reply, err := ask(ctx, csr)
	if err != nil {
		return files{}, err
	}
	f := files{cert: encodeCerts(reply.Chain), roots: encodeCerts(reply.Roots)}
	f.key, err = encodeKey(key)
	return f, errors.Join(err, vouched(reply, key))
}

// vouched checks that a certificate is for the key and comes from a root that is
// to be trusted.
func vouched(reply wire.CertifyReply, key *ecdsa.PrivateKey) error {
	if len(reply.Chain) == 0 {
		return errors.New("the manager answered without a certificate")
	}
	leaf, err := x509.ParseCertificate(reply.Chain[0])
	if err != nil {
		return fmt.Errorf("read the certificate that a manager gave: %w", err)
	}
	if !key.PublicKey.Equal(leaf.PublicKey) {
		return errors.New("the certificate that a manager gave is for another key")
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(encodeCerts(reply.Roots))
	between.AppendCertsFromPEM(encodeCerts(reply.Chain[1:]))
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CurrentTime: time.Now(),
	})
	if err != nil {
		return fmt.Errorf("the certificate that a manager gave: %w", err)
	}
	return nil
}

// Credentials are what connections between nodes are made with. They follow
// renewals.
func (i *Identity) Credentials() *wire.Credentials { return i.credentials }

// Shown is what the node shows of itself where a pipe stands for TLS, see
// wire.Pipe.AsNode.
func (i *Identity) Shown() (wire.Identity, specs.NodeCertificate) {
	return i.credentials.Self(), i.Certificate()
}

// Certificate describes the certificate as the managers see it.
func (i *Identity) Certificate() specs.NodeCertificate {
	i.mu.Lock()
	defer i.mu.Unlock()
	return specs.NodeCertificate{
		Role: i.credentials.Self().Role, Issuer: issuer(i.chain, i.roots), NotAfter: i.chain[0].NotAfter.UTC(),
	}
}

// issuer names what a certificate is signed with: what is shown after it, or the
// root.
func issuer(chain, roots []*x509.Certificate) specs.Hash {
	if len(chain) > 1 {
		return wire.DigestOf(chain[1])
	}
	for _, root := range roots {
		if chain[0].CheckSignatureFrom(root) == nil {
			return wire.DigestOf(root)
		}
	}
	return ""
}
