package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of an identity. They belong together, so each set of them has a
// directory of its own, and current is a symbolic link that moves from one to
// the next in one step.
const (
	keyFile     = "key.pem"
	certFile    = "cert.pem" // the certificate, then what stands between it and a root
	rootsFile   = "roots.pem"
	currentLink = "current"
	setPattern  = "set-*"

	// pendingFile is a key that a certificate is asked for. It is kept until the
	// answer is, so that a machine that stops in between asks again as the same.
	pendingFile = "pending-key.pem"

	// joinedFile is the digest of the root in the token that the node joined with.
	joinedFile = "joined"
)

// files is one set.
type files struct{ key, cert, roots []byte }

// read returns the current set; fs.ErrNotExist says that there is none. Another
// process may write a new one meanwhile.
func read(dir string) (files, error) {
	link := filepath.Join(dir, currentLink)
	set, err := os.Readlink(link)
	for err == nil {
		f, readErr := readSet(filepath.Join(dir, set))
		var now string
		if now, err = os.Readlink(link); err == nil && now == set {
			return f, readErr
		}
		set = now
	}
	return files{}, err
}

func readSet(set string) (files, error) {
	var f files
	for _, part := range f.parts() {
		data, err := os.ReadFile(filepath.Join(set, part.name))
		if err != nil {
			return f, err
		}
		*part.data = data
	}
	return f, nil
}

type part struct {
	name string
	data *[]byte
}

func (f *files) parts() []part {
	return []part{{keyFile, &f.key}, {certFile, &f.cert}, {rootsFile, &f.roots}}
}

// write makes f the current set. Whenever it stops, the current set is the old
// one or the new one, and complete.
func (f files) write(dir string) error {
	if err := f.replace(dir); err != nil {
		return errors.Join(err, Tidy(dir)) // it takes room where there may be none
	}
	return errors.Join(Tidy(dir), os.RemoveAll(filepath.Join(dir, pendingFile)))
}

func (f files) replace(dir string) error {
	set, err := os.MkdirTemp(dir, setPattern) // with mode 0700
	if err != nil {
		return err
	}
	for _, part := range f.parts() {
		if err := writeSynced(filepath.Join(set, part.name), *part.data); err != nil {
			return err
		}
	}
	next := set + ".link"
	if err := errors.Join(SyncDir(set), os.Symlink(filepath.Base(set), next)); err != nil {
		return err
	}
	return errors.Join(os.Rename(next, filepath.Join(dir, currentLink)), SyncDir(dir))
}

// Tidy removes what is not the current set of the identity in dir: older ones, and
// those that were never finished. Nobody may be writing there.
func Tidy(dir string) error {
	current, err := os.Readlink(filepath.Join(dir, currentLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, setPattern))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range old {
		if filepath.Base(path) != current {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

// pendingKey is the key to ask a certificate for.
func pendingKey(dir string) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(dir, pendingFile)
	if data, err := os.ReadFile(path); err == nil {
		if key, err := parseKey(data); err == nil {
			return key, nil
		} // it was cut off when it was written, and used for nothing
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the node's key: %w", err)
	}
	data, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(path), writeSynced(path, data), SyncDir(dir)); err != nil {
		return nil, fmt.Errorf("keep the node's key: %w", err)
	}
	return key, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the node's key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func parseKey(data []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("there is no key in PEM form")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T and no ECDSA key", key)
	}
	return ec, nil
}

func encodeCerts(certs [][]byte) []byte {
	var text []byte
	for _, der := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

func parseCerts(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("there is no certificate in PEM form")
	}
	return certs, nil
}

// writeSynced writes a new file of mode 0600 and waits until it is on disk.
func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// SyncDir waits until the names in a directory are on disk.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
