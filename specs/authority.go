package specs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"time"
)

// Authority is the cluster's own certificate authority, and who it lets in. It
// is written by the ca. Its keys and secrets lie readable in the managers' data.
type Authority struct {
	Root     RootCA   `json:"root"`               // that every node trusts
	External []string `json:"external,omitempty"` // URLs of CFSSL servers that sign for Root, in the order in which they are asked

	CertExpiry Duration `json:"cert_expiry,omitempty"` // lifetime of the nodes' certificates; 0 is DefaultCertExpiry
	Longest    Duration `json:"longest,omitempty"`     // that an external authority has made one last, if that was longer
	Worker     Hidden   `json:"worker"`                // secret of the token that makes workers
	Manager    Hidden   `json:"manager"`               // secret of the token that makes managers

	Rotation *Rotation `json:"rotation,omitempty"` // to another root, while it is under way
	Since    time.Time `json:"since,omitzero"`     // when Issuer changed last; nodes are told to renew from then on

	Removed      map[string]time.Time   `json:"removed,omitempty"`      // by node: refused until then, when its certificate has run out
	Readmissions map[string]Readmission `json:"readmissions,omitempty"` // by node

	Version uint64 `json:"version"`
}

// The lifetimes that certificates of nodes may have.
const (
	DefaultCertExpiry = 90 * 24 * time.Hour
	MinCertExpiry     = time.Hour
)

// RootCA is a root certificate and, unless it is an external authority's, its key.
type RootCA struct {
	Cert string `json:"cert"` // PEM
	Key  Hidden `json:"key,omitempty"`
}

// Rotation leads from the authority's root to another one.
type Rotation struct {
	To          RootCA   `json:"to"`
	External    []string `json:"external,omitempty"` // that sign for To
	CrossSigned string   `json:"cross_signed"`       // PEM: To's name and key, signed by the root that nodes trust
}

// Readmission lets a node whose certificate has run out have a new one, once.
type Readmission struct {
	Secret Hash      `json:"secret"` // SHA-256 of the token's secret
	Until  time.Time `json:"until"`
	Key    Hash      `json:"key,omitempty"` // SHA-256 of the public key that used it: an answer that was lost is repeated to that key alone
}

// Lifetime is how long a new certificate of a node is good.
func (a Authority) Lifetime() time.Duration {
	if a.CertExpiry == 0 {
		return DefaultCertExpiry
	}
	return time.Duration(a.CertExpiry)
}

// Issuer names the certificate that those of all nodes are to be signed with:
// the root, or what stands between it and the new one during a rotation. A node
// whose certificate has another issuer is to renew it.
func (a Authority) Issuer() Hash {
	sum := pemDigest(a.Root.Cert)
	if a.Rotation != nil {
		sum = pemDigest(a.Rotation.CrossSigned)
	}
	return Hash(hex.EncodeToString(sum[:]))
}

// Token is the one that makes a machine a node of that role.
func (a Authority) Token(role Role) JoinToken {
	secret := a.Worker
	if role == Manager {
		secret = a.Manager
	}
	return JoinToken{Root: a.Root.Digest(), Secret: secret}
}

// Digest is that of the root certificate, which join tokens hold.
func (r RootCA) Digest() [sha256.Size]byte { return pemDigest(r.Cert) }

// pemDigest is the SHA-256 of the content of a PEM block; of nothing if there
// is none.
func pemDigest(text string) [sha256.Size]byte {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return sha256.Sum256(nil)
	}
	return sha256.Sum256(block.Bytes)
}
