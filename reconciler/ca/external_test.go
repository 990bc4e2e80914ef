package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/cfssl/api/signhandler"
	"github.com/cloudflare/cfssl/config"
	cfssllog "github.com/cloudflare/cfssl/log"
	cfsslsigner "github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// startCFSSL starts a real CFSSL server that signs for the root. It takes who
// has a certificate of the root, and anybody while that is not wanted.
func startCFSSL(t *testing.T, root specs.RootCA, expiry time.Duration, auth tls.ClientAuthType) (url string) {
	t.Helper()
	cfssllog.Level = cfssllog.LevelFatal
	cert, err := parseCert(root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	key, err := parseSigner(root)
	if err != nil {
		t.Fatal(err)
	}
	policy := &config.Signing{Default: &config.SigningProfile{
		Usage: []string{"digital signature", "server auth", "client auth"}, Expiry: expiry, ExpiryString: expiry.String(),
	}}
	s, err := local.NewSigner(key, cert, cfsslsigner.DefaultSigAlgo(key), policy)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := signhandler.NewHandlerFromSigner(s)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(signPath, handler)
	return serveTLS(t, root, mux, auth)
}

// serveTLS serves with a certificate of the root for 127.0.0.1.
func serveTLS(t *testing.T, root specs.RootCA, h http.Handler, auth tls.ClientAuthType) (url string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificateFor(t, root, "127.0.0.1")}, ClientAuth: auth, ClientCAs: pool([][]byte{derOf(root.Cert)})}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// certificateFor is a certificate of the root for a server or client of that name.
func certificateFor(t *testing.T, root specs.RootCA, host string) tls.Certificate {
	t.Helper()
	parent, err := parseCert(root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := parseSigner(root)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject: pkix.Name{CommonName: host}, IPAddresses: []net.IP{net.ParseIP(host)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var w1 = wire.Identity{NodeID: "w1", Role: specs.Worker, ClusterID: "prod"}

func TestExternalAuthoritySigns(t *testing.T) {
	root := testRoot(t)
	url := startCFSSL(t, root, 10*time.Hour, tls.NoClientCert)
	a := externalTo(t, root, "https://127.0.0.1:1", url+"/") // nobody listens at the first
	reply, err := Issue(t.Context(), a, newRequest(t), w1, time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(reply.Chain[0])
	if err != nil || len(reply.Chain) != 1 || len(reply.Roots) != 1 {
		t.Fatalf("got %d certificates and %d roots, %v", len(reply.Chain), len(reply.Roots), err)
	}
	if left := time.Until(leaf.NotAfter); left > 10*time.Hour || left < 9*time.Hour {
		t.Errorf("good for %s, not as long as the server says", left)
	}
}

func TestRotationToAnExternalAuthority(t *testing.T) {
	a, err := NewAuthority(Options{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	root := testRoot(t)
	url := startCFSSL(t, root, time.Hour, tls.NoClientCert)
	if a, err = rotate(a, specs.RootCA{Cert: root.Cert}, []string{url}, time.Now()); err != nil {
		t.Fatal(err)
	}
	reply, err := Issue(t.Context(), a, newRequest(t), w1, time.Now(), nil)
	if err != nil || len(reply.Chain) != 2 || len(reply.Roots) != 2 {
		t.Fatalf("got %d certificates and %d roots, %v", len(reply.Chain), len(reply.Roots), err)
	}
	leaf, err := x509.ParseCertificate(reply.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, der := range reply.Roots {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool([][]byte{der}), Intermediates: pool(reply.Chain[1:])}); err != nil {
			t.Errorf("whoever trusts root %d does not believe it: %v", i, err)
		}
	}
}

func TestExternalAuthorityAsksForACertificate(t *testing.T) {
	root := testRoot(t)
	a := externalTo(t, root, startCFSSL(t, root, time.Hour, tls.RequireAndVerifyClientCert))
	if _, err := Issue(t.Context(), a, newRequest(t), w1, time.Now(), nil); err == nil {
		t.Error("signed for nobody")
	}
	shown := certificateFor(t, root, "127.0.0.1")
	_, err := Issue(t.Context(), a, newRequest(t), w1, time.Now(), func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil })
	if err != nil {
		t.Error(err)
	}
}

// TestAnswersOfAnExternalAuthorityAreChecked has one that answers wrongly.
func TestAnswersOfAnExternalAuthorityAreChecked(t *testing.T) {
	root, other := testRoot(t), testRoot(t)
	signed := func(by specs.RootCA, csr []byte, id wire.Identity) string {
		reply, err := Issue(t.Context(), specs.Authority{Root: by}, csr, id, time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return encodeCert(reply.Chain[0])
	}
	manager, stranger, elsewhere := w1, w1, w1
	manager.Role, stranger.NodeID, elsewhere.ClusterID = specs.Manager, "w2", "other"
	csr := newRequest(t)
	for name, tc := range map[string]struct {
		answer any
		want   string
	}{
		"right":             {answerOf(signed(root, csr, w1)), ""},
		"another role":      {answerOf(signed(root, csr, manager)), "it is for manager w1"},
		"another node":      {answerOf(signed(root, csr, stranger)), "it is for worker w2"},
		"another cluster":   {answerOf(signed(root, csr, elsewhere)), "of cluster other"},
		"another key":       {answerOf(signed(root, newRequest(t), w1)), "it has another key"},
		"another authority": {answerOf(signed(other, csr, w1)), "unknown authority"},
		"an authority":      {answerOf(root.Cert), "names no node"},
		"no certificate":    {answerOf(""), "no certificate in PEM form"},
		"a refusal":         {map[string]any{"success": false, "errors": []any{map[string]any{"message": "not today"}}}, "refused to sign: 200 OK: not today"},
		"a page":            {"<html>", "is it a CFSSL server?"},
	} {
		url := serveTLS(t, root, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(tc.answer) // the caller sees it
		}), tls.NoClientCert)
		_, err := Issue(t.Context(), externalTo(t, root, url), csr, w1, time.Now(), nil)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func answerOf(cert string) any {
	return map[string]any{"success": true, "result": map[string]any{"certificate": cert}}
}

// TestAnExternalAuthorityLeadsNowhere has one that leads to another, by plain HTTP.
func TestAnExternalAuthorityLeadsNowhere(t *testing.T) {
	root := testRoot(t)
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another one was asked") }))
	defer other.Close()
	a := externalTo(t, root, serveTLS(t, root, http.RedirectHandler(other.URL, http.StatusTemporaryRedirect), tls.NoClientCert))
	if _, err := Issue(t.Context(), a, newRequest(t), w1, time.Now(), nil); err == nil || !strings.Contains(err.Error(), "307 Temporary Redirect") {
		t.Errorf("got %v", err)
	}
}

func TestNoExternalAuthorityAnswers(t *testing.T) {
	a := externalTo(t, testRoot(t), "https://user:word@127.0.0.1:1", "https://127.0.0.1:2")
	_, err := Issue(t.Context(), a, newRequest(t), w1, time.Now(), nil)
	if wire.KindOf(err) != wire.Unavailable || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "127.0.0.1:2") || strings.Contains(err.Error(), "word") {
		t.Errorf("%s: %v", wire.KindOf(err), err)
	}
}

func testRoot(t *testing.T) specs.RootCA {
	t.Helper()
	root, err := newRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// externalTo is an authority whose key the servers at the URLs have.
func externalTo(t *testing.T, root specs.RootCA, urls ...string) specs.Authority {
	t.Helper()
	a, err := NewAuthority(Options{CertPEM: root.Cert, External: urls}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A node that never came, and whose certificate an external authority made for
// longer than the cluster asks, is refused until that has run out.
func TestRemovedNodeOfAnExternalAuthority(t *testing.T) {
	root := testRoot(t)
	l := &leader{T: t, store: store.New()}
	a := externalTo(t, root, startCFSSL(t, root, 3*specs.DefaultCertExpiry, tls.NoClientCert))
	l.write(specs.Change{Cluster: &specs.Cluster{ID: "prod"}}, specs.Change{Authority: &a})
	l.Server = New(Config{Store: l.store, Propose: l.propose, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	request := wire.CertifyRequest{CSR: newRequest(t), Secret: a.Worker}
	reply, err := l.answer(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(reply.Chain[0])
	if err != nil {
		t.Fatal(err)
	}
	written := l.index
	if _, err := l.answer(t.Context(), request); err != nil || l.index != written {
		t.Errorf("%d more entries for one more certificate, %v", l.index-written, err)
	}
	snap := l.store.Snapshot()
	node, _ := snap.Node(reply.NodeID)
	l.write(Removal(snap.Authority(), time.Now(), node)...)
	if until := l.store.Snapshot().Authority().Removed[node.ID]; until.Before(leaf.NotAfter.Add(removalMargin)) {
		t.Errorf("its certificate is good until %s, and it is refused until %s", leaf.NotAfter, until)
	}
}
