package identity

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/runtime/mounts/mountstest"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// authority is a manager that signs whatever it is asked.
func authority(t *testing.T) Ask {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return func(_ context.Context, csr []byte) (wire.CertifyReply, error) {
		request, err := x509.ParseCertificateRequest(csr)
		if err != nil {
			return wire.CertifyReply{}, err
		}
		leaf, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			Subject:   pkix.Name{CommonName: "n1", OrganizationalUnit: []string{wire.RoleName(specs.Worker)}, Organization: []string{"prod"}},
			NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		}, root, request.PublicKey, key)
		return wire.CertifyReply{Chain: [][]byte{leaf}, Roots: [][]byte{der}}, err
	}
}

const writerDir = "SWARMGIT_TEST_WRITER_DIR"

// TestKilledWriter writes an identity over and over until it is killed.
func TestKilledWriter(t *testing.T) {
	dir := os.Getenv(writerDir)
	if dir == "" {
		t.Skip("is run by TestKilledWhileItWrites")
	}
	for ask := authority(t); ; fmt.Println("written") {
		if _, err := Create(t.Context(), dir, ask); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKilledWhileItWrites(t *testing.T) {
	dir := t.TempDir()
	for round := range 8 {
		writer := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
		writer.Env = append(os.Environ(), writerDir+"="+dir)
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + round {
			lines.Scan()
		}
		if err := errors.Join(lines.Err(), writer.Process.Kill()); err != nil {
			t.Fatal(err)
		}
		_ = writer.Wait() // it was killed
		if _, err := Load(dir); err != nil {
			t.Fatalf("killed after %d writes: %v", round+1, err)
		}
	}
}

// TestWhatAWriterLeaves has one that stopped at each of its steps.
func TestWhatAWriterLeaves(t *testing.T) {
	for name, leave := range map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		"a key that was cut": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, pendingFile), []byte("-----BEG"), 0o600)
		},
		"half a set":                func(dir string) error { return os.Mkdir(filepath.Join(dir, "set-1"), 0o700) },
		"a link that was not moved": func(dir string) error { return os.Symlink("set-1", filepath.Join(dir, "set-1.link")) },
	} {
		dir, ask := t.TempDir(), authority(t)
		if _, err := Create(t.Context(), dir, ask); err != nil {
			t.Fatal(err)
		}
		before, err := Load(dir)
		if err := errors.Join(err, leave(dir)); err != nil {
			t.Fatal(err)
		}
		if after, err := Load(dir); err != nil || after.Certificate() != before.Certificate() {
			t.Errorf("%s: loaded with %v", name, err)
		}
		if err := Tidy(dir); err != nil {
			t.Errorf("%s: tidied with %v", name, err)
		}
		if sets, _ := filepath.Glob(filepath.Join(dir, setPattern)); len(sets) != 1 {
			t.Errorf("%s: left until the next write are %s", name, sets)
		}
		if err := before.renew(t.Context(), ask); err != nil {
			t.Errorf("%s: renewed with %v", name, err)
		}
		left, _ := filepath.Glob(filepath.Join(dir, "*"))
		if len(left) != 2 { // the set, and the link to it
			t.Errorf("%s: left %s", name, strings.Join(left, " "))
		}
	}
}

// What a writer could not finish on a full disk takes no room of it.
func TestAWriterOnAFullDiskLeavesNothing(t *testing.T) {
	mountstest.NeedRoot(t)
	dir, ask := t.TempDir(), authority(t)
	mountstest.Mount(t, dir, "")
	before, err := Create(t.Context(), dir, ask)
	if err != nil {
		t.Fatal(err)
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	const key, set, first = 1, 1, 1 // a new set has no room but for its first file
	mountstest.Resize(t, dir, fmt.Sprintf("nr_inodes=%d", disk.Files-disk.Ffree+key+set+first))
	for range 3 {
		if err := before.renew(t.Context(), ask); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("renewed with %v", err)
		}
		if sets, _ := filepath.Glob(filepath.Join(dir, setPattern)); len(sets) != 1 {
			t.Errorf("left are %s", sets)
		}
	}
	if after, err := Load(dir); err != nil || after.Certificate() != before.Certificate() {
		t.Errorf("loaded with %v", err)
	}
}

func TestDamagedIdentity(t *testing.T) {
	for _, name := range []string{keyFile, certFile, rootsFile} {
		dir := t.TempDir()
		if _, err := Create(t.Context(), dir, authority(t)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, currentLink, name), []byte("?"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNone) {
		t.Errorf("none: %v", err)
	}
}

// TestAnswersOfAManagerAreChecked: what is given must be for this node's key,
// and vouched for by a root that comes with it.
func TestAnswersOfAManagerAreChecked(t *testing.T) {
	good, other := authority(t), authority(t)
	for want, ask := range map[string]Ask{
		"without a certificate": func(context.Context, []byte) (wire.CertifyReply, error) { return wire.CertifyReply{}, nil },
		"is for another key": func(ctx context.Context, _ []byte) (wire.CertifyReply, error) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				return wire.CertifyReply{}, err
			}
			csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
			if err != nil {
				return wire.CertifyReply{}, err
			}
			return good(ctx, csr)
		},
		"unknown authority": func(ctx context.Context, csr []byte) (wire.CertifyReply, error) {
			reply, err := good(ctx, csr)
			if err != nil {
				return reply, err
			}
			stranger, err := other(ctx, csr)
			reply.Roots = stranger.Roots
			return reply, err
		},
	} {
		dir := t.TempDir()
		if _, err := Create(t.Context(), dir, ask); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := Load(dir); !errors.Is(err, ErrNone) {
			t.Errorf("%s: was kept: %v", want, err)
		}
	}
}

func TestWhenToRenew(t *testing.T) {
	issued := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		backdate, life, first, last time.Duration
	}{
		"90 days":                         {time.Hour, 2160 * time.Hour, 1080 * time.Hour, 1728 * time.Hour},
		"an hour":                         {time.Hour, time.Hour, 30 * time.Minute, 48 * time.Minute},
		"an external authority's 55 min.": {5 * time.Minute, 55 * time.Minute, 40 * time.Minute, 49 * time.Minute},
	} {
		cert := &x509.Certificate{NotBefore: issued.Add(-tc.backdate), NotAfter: issued.Add(tc.life)}
		if first, last := renewAt(cert, 0).Sub(issued), renewAt(cert, 1).Sub(issued); first != tc.first || last != tc.last {
			t.Errorf("%s: between %s and %s", name, first, last)
		}
	}
}

// Who reads while another process writes gets one set, whole.
func TestReadWhileWritten(t *testing.T) {
	dir := t.TempDir()
	same := func(text string) files { return files{key: []byte(text), cert: []byte(text), roots: []byte(text)} }
	if err := same("0").write(dir); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		for i := range 200 {
			if err := same(fmt.Sprint(i)).write(dir); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	for {
		f, err := read(dir)
		if err != nil || string(f.key) != string(f.cert) || string(f.key) != string(f.roots) {
			t.Fatalf("read %s, %s and %s: %v", f.key, f.cert, f.roots, err)
		}
		select {
		case err := <-written:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}
