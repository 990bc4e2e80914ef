package ca

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// rootOf makes a root as somebody might bring one.
func rootOf(t *testing.T, edit func(*x509.Certificate)) specs.RootCA {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "acme"}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(minRootLifetime + time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if edit != nil {
		edit(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return specs.RootCA{Cert: encodeCert(der), Key: specs.Hidden(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))}
}

func TestRootsThatSomebodyBrings(t *testing.T) {
	good := rootOf(t, nil)
	edited := func(edit func(*x509.Certificate)) Options {
		r := rootOf(t, edit)
		return Options{CertPEM: r.Cert, KeyPEM: string(r.Key)}
	}
	leaf, err := Issue(t.Context(), specs.Authority{Root: good}, newRequest(t), wire.Identity{NodeID: "n", Role: specs.Worker, ClusterID: "c"}, noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	between, err := crossSign(good, rootOf(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}))
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"none":                   {Options{}, ""},
		"a good one":             {Options{CertPEM: good.Cert, KeyPEM: string(good.Key)}, ""},
		"of an external one":     {Options{CertPEM: good.Cert, External: []string{"https://ca.example.com:8888"}}, ""},
		"with a longer life":     {Options{CertExpiry: time.Hour}, ""},
		"no certificate":         {Options{KeyPEM: string(good.Key)}, "no certificate: give both"},
		"no key":                 {Options{CertPEM: good.Cert}, "no key of it"},
		"no root of an external": {Options{External: []string{"https://ca"}}, "needs the root certificate"},
		"external by http":       {Options{CertPEM: good.Cert, External: []string{"http://u:word@ca"}}, "must be"},
		"external nowhere":       {Options{CertPEM: good.Cert, External: []string{"ca"}}, "is no address"},
		"no PEM":                 {Options{CertPEM: "hello", KeyPEM: "hello"}, "no certificate in PEM form"},
		"two certificates":       {Options{CertPEM: good.Cert + good.Cert, KeyPEM: string(good.Key)}, "more than one certificate"},
		"another's key":          {Options{CertPEM: good.Cert, KeyPEM: string(rootOf(t, nil).Key)}, "does not go with the root certificate"},
		"an encrypted key":       {Options{CertPEM: good.Cert, KeyPEM: encrypted}, "is encrypted"},
		"a leaf":                 {Options{CertPEM: encodeCert(leaf.Chain[0]), KeyPEM: string(good.Key)}, "may not sign others"},
		"signed by another":      {Options{CertPEM: between, KeyPEM: string(good.Key)}, `is signed by "CN=acme": give the root`},
		"no use":                 {edited(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), "may not sign others"},
		"a short path":           {edited(func(c *x509.Certificate) { c.MaxPathLenZero = true }), "path length 0"},
		"almost over":            {edited(func(c *x509.Certificate) { c.NotAfter = noon.Add(minRootLifetime - time.Hour) }), "one more year"},
		"not yet":                {edited(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Hour) }), "good from 2026-11-25 13:00:00 only"},
		"too short certificates": {Options{CertExpiry: time.Minute}, "cannot run out after 1m0s: 1h0m0s is the least"},
	} {
		a, err := NewAuthority(tc.options, noon)
		if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "word")) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (len(a.Worker) != specs.IDLength || len(a.Manager) != specs.IDLength || a.Worker == a.Manager) {
			t.Errorf("%s: the tokens are no secrets", name)
		}
	}
}

func TestOwnRoot(t *testing.T) {
	a, err := NewAuthority(Options{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := parseCert(a.Root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Subject.String() != "CN=swarmgit-ca" || cert.PublicKeyAlgorithm != x509.ECDSA || !cert.NotAfter.Equal(noon.Add(rootLifetime)) {
		t.Errorf("%s, %s, until %s", cert.Subject, cert.PublicKeyAlgorithm, cert.NotAfter)
	}
	if err := checkRoot(a.Root, noon); err != nil {
		t.Error(err)
	}
}

func TestCertificatesOfNodes(t *testing.T) {
	a, err := NewAuthority(Options{}, noon)
	if err != nil {
		t.Fatal(err)
	}
	brief := specs.Authority{Root: rootOf(t, nil)}
	for name, tc := range map[string]struct {
		authority specs.Authority
		expiry    time.Duration
		good      time.Duration
	}{
		"90 days":                 {a, 0, specs.DefaultCertExpiry},
		"an hour":                 {a, time.Hour, time.Hour},
		"no longer than the root": {brief, 2 * minRootLifetime, minRootLifetime + time.Hour},
	} {
		tc.authority.CertExpiry = specs.Duration(tc.expiry)
		id := wire.Identity{NodeID: "n1", Role: specs.Manager, ClusterID: "prod"}
		reply, err := Issue(context.Background(), tc.authority, newRequest(t), id, noon, nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(reply.Chain[0])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.IdentityOf(leaf); err != nil || got != id {
			t.Errorf("%s: for %+v, %v", name, got, err)
		}
		if !leaf.NotBefore.Equal(noon.Add(-time.Hour)) || !leaf.NotAfter.Equal(noon.Add(tc.good)) {
			t.Errorf("%s: good from %s to %s", name, leaf.NotBefore, leaf.NotAfter)
		}
		if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || leaf.SerialNumber.BitLen() < 64 {
			t.Errorf("%s: authority %v, usage %b, serial %s", name, leaf.IsCA, leaf.KeyUsage, leaf.SerialNumber)
		}
	}
}

func TestRefusedTokensAreLoggedNowAndThen(t *testing.T) {
	var r refusals
	for _, tc := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {time.Second, 0}, {9 * time.Second, 0}, {10 * time.Second, 3}, {11 * time.Second, 0}, {time.Hour, 2}} {
		if got := r.add(noon.Add(tc.after)); got != tc.want {
			t.Errorf("after %s: %d", tc.after, got)
		}
	}
}
