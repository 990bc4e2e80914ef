package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

// root makes the certificate of an authority, and its digest.
func root(t *testing.T, name string) (cert string, digest specs.Hash) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: noon}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), specs.Hash(fmt.Sprintf("%x", sha256.Sum256(der)))
}

// What is shown of the cluster is what applies, and no key, token or password.
func TestInspectCluster(t *testing.T) {
	w := prod(t)
	inspect := func(want InspectClusterReply) {
		t.Helper()
		got, err := w.server().inspectCluster(t.Context(), Empty{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if text, err := json.Marshal(got); err != nil || strings.Contains(string(text), "hide") {
			t.Errorf("it shows a secret: %s, %v", text, err)
		}
	}
	want := InspectClusterReply{
		ID: id("prod"), Name: "prod", Created: noon.Add(-time.Hour), Version: w.store.Snapshot().Cluster().Version, Format: 3,
		Spec: ClusterSpec{
			Branch: "main", History: 5, HeartbeatPeriod: specs.Duration(5 * time.Second), OrphanAfter: specs.Duration(24 * time.Hour),
			PackLimit: 32 << 20, CertExpiry: specs.Duration(2160 * time.Hour),
		},
	}
	inspect(want)

	cluster := w.store.Snapshot().Cluster()
	cluster.Key, cluster.AgeKey = []byte("hide"), []byte("hide")
	cluster.Registries = []specs.Registry{{Host: "hide"}}
	cluster.Spec = specs.ClusterSettings{
		History: new(-1), HeartbeatPeriod: specs.Duration(time.Second), OrphanAfter: specs.Duration(time.Hour), PackLimit: 1 << 20,
		Tokens: []specs.AccessToken{{Name: "hide", Hash: "hide"}},
	}
	oldCert, oldDigest := root(t, "old")
	newCert, newDigest := root(t, "new")
	authority := specs.Authority{
		Root: specs.RootCA{Cert: oldCert, Key: "hide"}, Worker: "hide", Manager: "hide", CertExpiry: specs.Duration(720 * time.Hour),
		Rotation: &specs.Rotation{To: specs.RootCA{Cert: newCert}, External: []string{"https://hide:hide@ca.example:8888/hide?key=hide"}, CrossSigned: "hide"},
	}
	source, _ := w.store.Snapshot().Source(specs.MainSource)
	source.Path = "live"
	w.apply(specs.Change{Cluster: &cluster}, specs.Change{Authority: &authority}, specs.Change{Source: specs.Set(source.Name, source.Version, source)})
	want.Version = w.store.Snapshot().Cluster().Version
	want.Spec = ClusterSpec{
		Branch: "main", Path: "live", History: -1, HeartbeatPeriod: specs.Duration(time.Second), OrphanAfter: specs.Duration(time.Hour),
		PackLimit: 1 << 20, CertExpiry: specs.Duration(720 * time.Hour),
	}
	want.CA = &ClusterCA{
		Root:       RootCertificate{Digest: oldDigest, Subject: "CN=old", NotAfter: noon},
		RotatingTo: &RootCertificate{Digest: newDigest, Subject: "CN=new", NotAfter: noon, External: []string{"ca.example:8888"}},
	}
	inspect(want)
}
