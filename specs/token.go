package specs

import (
	"crypto/sha256"
	"errors"
	"math/big"
	"strings"
)

// tokenStart begins every join token, as in Swarm.
const tokenStart = "SWMTKN-1-"

// digestLength is that of a SHA-256 digest in base36.
const digestLength = 50

// JoinToken is what a machine needs to become a node: which cluster is meant,
// by the digest of its root certificate, and a secret that the cluster knows.
// A token that readmits a node looks the same.
type JoinToken struct {
	Root   [sha256.Size]byte
	Secret Hidden // IDLength base36 characters
}

// String is the token in full: it is for who is to have it, never for a log.
func (t JoinToken) String() string {
	return tokenStart + base36(t.Root[:], digestLength) + "-" + string(t.Secret)
}

// errToken does not repeat the token: errors are shown and logged.
var errToken = errors.New(`this is no join token: one looks like SWMTKN-1-<50 characters>-<25 characters>, ` +
	`and "swarmgit join-token worker" prints it on a manager`)

// ParseJoinToken reads what String writes.
func ParseJoinToken(text string) (JoinToken, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), tokenStart)
	digest, secret, cut := strings.Cut(rest, "-")
	if !ok || !cut || len(digest) != digestLength || len(secret) != IDLength || !isBase36(digest+secret) {
		return JoinToken{}, errToken
	}
	number, _ := new(big.Int).SetString(digest, 36)
	if number.BitLen() > 8*sha256.Size {
		return JoinToken{}, errToken
	}
	t := JoinToken{Secret: Hidden(secret)}
	number.FillBytes(t.Root[:])
	return t, nil
}

func isBase36(text string) bool {
	return strings.Trim(text, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

// Hidden is text that must not be shown: printing what contains it shows that
// it is there and no more. Its encodings hold it in clear.
type Hidden string

// String and GoString are what is printed instead.
func (h Hidden) String() string {
	if h == "" {
		return ""
	}
	return "(hidden)"
}

// GoString is String.
func (h Hidden) GoString() string { return h.String() }
