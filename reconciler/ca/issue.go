package ca

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Issue signs the key of a request for a node. Nothing else of the request
// counts. It asks the external authority if the cluster has one.
func Issue(ctx context.Context, a specs.Authority, csr []byte, id wire.Identity, now time.Time, show Show) (wire.CertifyReply, error) {
	request, err := readRequest(csr)
	if err != nil {
		return wire.CertifyReply{}, err
	}
	with := signerOf(a)
	leaf, err := with.sign(ctx, request, id, now, a.Lifetime(), show)
	if err != nil {
		return wire.CertifyReply{}, fmt.Errorf("sign the certificate of node %s: %w", id.NodeID, err)
	}
	reply := wire.CertifyReply{NodeID: id.NodeID, Role: id.Role, ClusterID: id.ClusterID, Chain: [][]byte{leaf}}
	for _, text := range with.between {
		reply.Chain = append(reply.Chain, derOf(text))
	}
	for _, text := range with.trusted {
		reply.Roots = append(reply.Roots, derOf(text))
	}
	if err := check(reply, id, request); err != nil {
		return wire.CertifyReply{}, fmt.Errorf("the authority signed a certificate for node %s that is not what was asked for: %w", id.NodeID, err)
	}
	return reply, nil
}

// signer is what signs certificates now, and what stands around them.
type signer struct {
	root     specs.RootCA
	external []string
	between  []string // PEM: shown after the certificate
	trusted  []string // PEM: the roots for its node to trust
}

func signerOf(a specs.Authority) signer {
	if r := a.Rotation; r != nil {
		return signer{root: r.To, external: r.External, between: []string{r.CrossSigned}, trusted: []string{a.Root.Cert, r.To.Cert}}
	}
	return signer{root: a.Root, external: a.External, trusted: []string{a.Root.Cert}}
}

// sign returns the certificate in DER. It ends after its lifetime, or with what
// it is signed with if that is earlier.
func (s signer) sign(ctx context.Context, request *x509.CertificateRequest, id wire.Identity, now time.Time, lifetime time.Duration, show Show) ([]byte, error) {
	if len(s.external) > 0 {
		return s.askExternal(ctx, request, id, show)
	}
	notAfter := now.Add(lifetime)
	for _, text := range append([]string{s.root.Cert}, s.between...) {
		above, err := parseCert(text)
		if err != nil {
			return nil, err
		}
		if above.NotAfter.Before(notAfter) {
			notAfter = above.NotAfter
		}
	}
	parent, err := parseCert(s.root.Cert)
	if err != nil {
		return nil, err
	}
	key, err := parseSigner(s.root)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject:   subject(id),
		DNSNames:  []string{wire.RoleName(id.Role)},
		NotBefore: now.Add(-wire.Backdate), NotAfter: notAfter,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, parent, request.PublicKey, key)
}

func subject(id wire.Identity) pkix.Name {
	return pkix.Name{
		CommonName: id.NodeID, OrganizationalUnit: []string{wire.RoleName(id.Role)}, Organization: []string{id.ClusterID},
	}
}

// readRequest reads a request whose sender has the key that it names. The kind of
// key is looked at first: anybody may ask, and a signature by an RSA key of a
// megabyte takes minutes to check.
func readRequest(csr []byte) (*x509.CertificateRequest, error) {
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "read the request for a certificate: %w", err)
	}
	if _, ok := request.PublicKey.(*ecdsa.PublicKey); !ok {
		return nil, wire.Errorf(wire.InvalidArgument, "the request for a certificate has a key of the kind %s: nodes have ECDSA keys", request.PublicKeyAlgorithm)
	}
	if err := request.CheckSignature(); err != nil {
		return nil, wire.Errorf(wire.InvalidArgument, "read the request for a certificate: %w", err)
	}
	return request, nil
}

// check holds a certificate against what was asked for. It looks at the clock
// of nobody: whether the certificate is good by now is for who uses it.
func check(reply wire.CertifyReply, id wire.Identity, request *x509.CertificateRequest) error {
	leaf, err := x509.ParseCertificate(reply.Chain[0])
	if err != nil {
		return err
	}
	got, err := wire.IdentityOf(leaf)
	switch {
	case err != nil:
		return err
	case got != id:
		return fmt.Errorf("it is for %s %s of cluster %s", got.Role, got.NodeID, got.ClusterID)
	case !request.PublicKey.(*ecdsa.PublicKey).Equal(leaf.PublicKey): // see readRequest
		return errors.New("it has another key")
	case leaf.IsCA:
		return errors.New("it may sign others")
	}
	roots, between := pool(reply.Roots), pool(reply.Chain[1:])
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: between, DNSName: wire.RoleName(id.Role),
			KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: leaf.NotAfter.Add(-time.Second),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func pool(certs [][]byte) *x509.CertPool {
	p := x509.NewCertPool()
	for _, der := range certs {
		if cert, err := x509.ParseCertificate(der); err == nil { // one that cannot be read vouches for nobody
			p.AddCert(cert)
		}
	}
	return p
}

// derOf is the content of a PEM block of the authority's row.
func derOf(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	return block.Bytes
}
