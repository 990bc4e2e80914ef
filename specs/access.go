package specs

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"time"
)

// AccessRole is what who asks over HTTP may do.
type AccessRole string

// The roles of access. The empty one may do nothing.
const (
	Admin  AccessRole = "admin"  // all that is answered over HTTP: push too
	Viewer AccessRole = "viewer" // look and plan; see api.Guard
)

// AccessToken is a lasting token for the port of people. The cluster knows it by
// its hash. Written by the api.
type AccessToken struct {
	Name    string     `json:"name"` // unique
	Role    AccessRole `json:"role"`
	Hash    Hash       `json:"hash"` // of the token: HashAccess
	Created time.Time  `json:"created"`
	Expires time.Time  `json:"expires,omitzero"` // zero: never
}

// HashAccess is the SHA-256 of a token, under which it is kept: tokens are random
// and long, so that their hash need not be slow.
func HashAccess(token string) Hash {
	sum := sha256.Sum256([]byte(token))
	return Hash(hex.EncodeToString(sum[:]))
}

// Expired reports whether the token opens nothing any more.
func (t AccessToken) Expired(now time.Time) bool {
	return !t.Expires.IsZero() && !now.Before(t.Expires)
}

// Opens reports whether the token whose hash is given is this one, and still
// good. Its time tells nothing of either hash.
func (t AccessToken) Opens(hash Hash, now time.Time) bool {
	return subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash)) == 1 && !t.Expired(now)
}
