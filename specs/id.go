package specs

import (
	"fmt"
	"io"
	"math/big"
	"strings"
)

// IDLength is the length of every ID: base36 characters, as in Swarm.
const IDLength = 25

// NewID draws an identifier from random, which must not fail: crypto/rand.Reader
// never does.
func NewID(random io.Reader) string {
	var drawn [16]byte
	if _, err := io.ReadFull(random, drawn[:]); err != nil {
		panic(fmt.Sprintf("draw an identifier: %v", err))
	}
	return ID(drawn)
}

// ID turns 16 random bytes into an identifier of 25 lower-case base36
// characters. The caller brings the randomness.
func ID(random [16]byte) string {
	return base36(random[:], IDLength)
}

// base36 writes bytes as one number of so many digits.
func base36(data []byte, length int) string {
	text := new(big.Int).SetBytes(data).Text(36)
	return strings.Repeat("0", length-len(text)) + text
}

// Hash names content: the lower-case hex SHA-256 of its binary encoding
// (specs/encoding). The empty Hash names nothing.
type Hash string

// Short is the beginning that people are shown.
func (h Hash) Short() string {
	if len(h) > 8 {
		return string(h[:8])
	}
	return string(h)
}
