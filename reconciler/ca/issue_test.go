package ca

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"
)

// A request is refused for the kind of its key before its signature is checked,
// which is wrong here: with a large RSA key that takes as long as the sender likes.
func TestKindOfKeyIsLookedAtBeforeTheSignature(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr[len(csr)-1] ^= 1
	if _, err := readRequest(csr); err == nil || !strings.Contains(err.Error(), "a key of the kind RSA") {
		t.Errorf("an RSA key: %v", err)
	}
	csr = newRequest(t)
	csr[len(csr)-1] ^= 1
	if _, err := readRequest(csr); err == nil || !strings.Contains(err.Error(), "verification failure") {
		t.Errorf("a wrong signature: %v", err)
	}
}
