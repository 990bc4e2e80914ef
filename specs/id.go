package specs

import "math/big"

// IDLength is the length of every ID: base36 characters, as in Swarm.
const IDLength = 25

// ID turns 16 random bytes into an identifier of 25 lower-case base36
// characters. The caller brings the randomness.
func ID(random [16]byte) string {
	text := new(big.Int).SetBytes(random[:]).Text(36)
	const zeros = "0000000000000000000000000"
	return zeros[:IDLength-len(text)] + text
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
