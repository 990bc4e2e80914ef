package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	rootName     = "swarmgit-ca"
	rootLifetime = 20 * 365 * 24 * time.Hour
	// minRootLifetime is how long a root must still be good that somebody brings:
	// certificates of nodes end with it.
	minRootLifetime = 365 * 24 * time.Hour
)

// newRoot makes a root of the cluster's own.
func newRoot(now time.Time) (specs.RootCA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return specs.RootCA{}, fmt.Errorf("make the key of a root: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: rootName},
		NotBefore: now.Add(-wire.Backdate), NotAfter: now.Add(rootLifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, // room for the certificate that leads to the next root
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return specs.RootCA{}, fmt.Errorf("sign a root: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return specs.RootCA{}, fmt.Errorf("encode the key of a root: %w", err)
	}
	return specs.RootCA{Cert: encodeCert(der), Key: specs.Hidden(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))}, nil
}

// checkRoot refuses a root that somebody brings and that would not do. A root
// without a key is an external authority's.
func checkRoot(r specs.RootCA, now time.Time) error {
	cert, err := parseCert(r.Cert)
	switch {
	case err != nil:
		return err
	case !cert.IsCA || !cert.BasicConstraintsValid || cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("the certificate of %q may not sign others: make one for a certificate authority (CA:TRUE, keyCertSign)", cert.Subject)
	case cert.CheckSignatureFrom(cert) != nil:
		return fmt.Errorf("the certificate of %q is signed by %q: give the root certificate itself", cert.Subject, cert.Issuer)
	case cert.MaxPathLenZero:
		return fmt.Errorf("the certificate of %q has the path length 0, so it could never lead to another root: make one without", cert.Subject)
	case cert.NotBefore.After(now):
		return fmt.Errorf("the certificate of %q is good from %s only", cert.Subject, cert.NotBefore.Format(time.DateTime))
	case cert.NotAfter.Before(now.Add(minRootLifetime)):
		return fmt.Errorf("the certificate of %q runs out on %s: a root must be good for one more year at least",
			cert.Subject, cert.NotAfter.Format(time.DateOnly))
	case r.Key == "":
		return nil
	}
	_, err = parseSigner(r)
	return err
}

// crossSign gives the new root's name and key a certificate from the old root,
// so that whoever trusts the old one believes what the new one has signed.
func crossSign(old, next specs.RootCA) (string, error) {
	parent, err := parseCert(old.Cert)
	if err != nil {
		return "", err
	}
	template, err := parseCert(next.Cert)
	if err != nil {
		return "", err
	}
	key, err := parseSigner(old)
	if err != nil {
		return "", err
	}
	if template.NotAfter.After(parent.NotAfter) {
		template.NotAfter = parent.NotAfter
	}
	template.SerialNumber, template.AuthorityKeyId = nil, nil // of its own
	template.SignatureAlgorithm = x509.UnknownSignatureAlgorithm
	der, err := x509.CreateCertificate(rand.Reader, template, parent, template.PublicKey, key)
	if err != nil {
		return "", fmt.Errorf("sign the new root by the old one: %w", err)
	}
	return encodeCert(der), nil
}

func encodeCert(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func parseCert(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("there is no certificate in PEM form")
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, errors.New("there is more than one certificate: give the root certificate alone")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	return cert, nil
}

// parseSigner is the key of a root, which belongs to its certificate.
func parseSigner(r specs.RootCA) (crypto.Signer, error) {
	if block, _ := pem.Decode([]byte(r.Key)); block != nil && (block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "") {
		return nil, errors.New("the key of the root is encrypted: give it decrypted, the managers must be able to sign without anybody")
	}
	pair, err := tls.X509KeyPair([]byte(r.Cert), []byte(r.Key))
	if err != nil {
		return nil, fmt.Errorf("the key does not go with the root certificate: %w", err)
	}
	return pair.PrivateKey.(crypto.Signer), nil // as tls.X509KeyPair promises
}
