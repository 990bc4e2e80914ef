package ca

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Options is what an operator says about the authority. The zero value is a new
// root of the cluster's own.
type Options struct {
	CertPEM    string        // the root certificate to use
	KeyPEM     string        // its key; not needed where an external authority signs
	External   []string      // URLs of CFSSL servers that sign for CertPEM
	CertExpiry time.Duration // 0 is specs.DefaultCertExpiry; of no effect where an external authority signs
}

// NewAuthority is the authority of a new cluster, with its root and tokens.
func NewAuthority(o Options, now time.Time) (specs.Authority, error) {
	root, err := o.root(now)
	if err != nil {
		return specs.Authority{}, err
	}
	if err := checkExpiry(o.CertExpiry); err != nil {
		return specs.Authority{}, err
	}
	return specs.Authority{
		Root: root, External: o.External, CertExpiry: specs.Duration(o.CertExpiry),
		Worker: newSecret(), Manager: newSecret(), Since: now,
	}, nil
}

// root is the root that the options describe.
func (o Options) root(now time.Time) (specs.RootCA, error) {
	if err := checkExternal(o.External); err != nil {
		return specs.RootCA{}, err
	}
	root := specs.RootCA{Cert: o.CertPEM, Key: specs.Hidden(o.KeyPEM)}
	switch {
	case o.CertPEM == "" && o.KeyPEM != "":
		return specs.RootCA{}, errors.New("there is a key of a root and no certificate: give both")
	case o.CertPEM == "" && len(o.External) > 0:
		return specs.RootCA{}, errors.New("an external authority needs the root certificate that it signs for")
	case o.CertPEM == "":
		return newRoot(now)
	case o.KeyPEM == "" && len(o.External) == 0:
		return specs.RootCA{}, errors.New("there is a root certificate and no key of it: give both, or the external authority that has the key")
	}
	if err := checkRoot(root, now); err != nil {
		return specs.RootCA{}, fmt.Errorf("use the root: %w", err)
	}
	return root, nil
}

func checkExpiry(d time.Duration) error {
	if d != 0 && d < specs.MinCertExpiry {
		return fmt.Errorf("certificates cannot run out after %s: %s is the least", d, specs.MinCertExpiry)
	}
	return nil
}

// newSecret draws the secret of a token: 128 bits.
func newSecret() specs.Hidden { return specs.Hidden(specs.NewID(rand.Reader)) }
