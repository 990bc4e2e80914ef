package schema

import (
	"fmt"
	"math"
	"math/big"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/swarmgit/swarmgit/specs"
)

// The readers below take values that compose.cue has let pass; what it does not
// allow is no longer in the tree and reads as absent.

func (n *node) at(path ...string) *node {
	for _, key := range path {
		n = n.get(key)
	}
	return n
}

func (n *node) text() string {
	if n == nil {
		return ""
	}
	return n.value
}

func (n *node) bool() bool {
	return n != nil && n.kind == boolean && strings.EqualFold(n.value, "true")
}

// texts are the items of a list, nil if there are none.
func (n *node) texts() []string {
	if n == nil || len(n.items) == 0 {
		return nil
	}
	out := make([]string, len(n.items))
	for i, item := range n.items {
		out[i] = item.value
	}
	return out
}

func (n *node) int() int64 {
	if n == nil {
		return 0
	}
	return n.whole().Int64()
}

func (n *node) count() *uint64 {
	if n == nil {
		return nil
	}
	return new(n.countOrZero())
}

func (n *node) countOrZero() uint64 {
	if n == nil {
		return 0
	}
	return n.whole().Uint64()
}

func (n *node) ratio() specs.Ratio {
	if n == nil {
		return 0
	}
	return specs.Ratio(math.Round(n.float() * float64(specs.RatioOne)))
}

// whole is the number that YAML reads in an integer; 0 in anything else.
func (n *node) whole() *big.Int {
	if i, ok := new(big.Int).SetString(strings.ReplaceAll(n.value, "_", ""), 0); ok {
		return i
	}
	return new(big.Int)
}

// float is the number that YAML reads in an integer or a float.
func (n *node) float() (f float64) {
	scalar := yaml.Node{Kind: yaml.ScalarNode, Value: n.value}
	_ = scalar.Decode(&f) // it is a number by its kind
	return f
}

// duration reads a duration; nil is absent.
func (b *builder) duration(n *node, path string) *specs.Duration {
	if n == nil {
		return nil
	}
	var d specs.Duration
	if err := d.UnmarshalText([]byte(n.value)); err != nil {
		b.to.problem(n.pos, path, "must be a duration such as 10s, at most 292 years"+got(n, path))
		return nil
	}
	return &d
}

func (b *builder) durationOrZero(n *node, path string) specs.Duration {
	if d := b.duration(n, path); d != nil {
		return *d
	}
	return 0
}

// Swarm's smallest amounts.
const (
	minMemory = 4 << 20
	minCPUs   = specs.NanoCPUs(1_000_000)
)

// memory reads a size; Swarm refuses less than 4 MiB.
func (b *builder) memory(n *node, path string) specs.Bytes {
	size := b.size(n, path)
	if size != 0 && size < minMemory {
		b.to.problem(n.pos, path, "must be at least 4M"+got(n, path))
	}
	return size
}

func (b *builder) size(n *node, path string) specs.Bytes {
	if n == nil {
		return 0
	}
	size, err := specs.ParseBytes(n.value)
	if err != nil {
		b.to.problem(n.pos, path, "must be a size such as 64M or 1.5G, less than 8192P"+got(n, path))
	}
	return size
}

func (b *builder) cpus(n *node, path string) specs.NanoCPUs {
	if n == nil {
		return 0
	}
	cpus, err := specs.ParseCPUs(n.value)
	switch {
	case err != nil:
		b.to.problem(n.pos, path, err.Error())
	case cpus != 0 && cpus < minCPUs:
		b.to.problem(n.pos, path, "must be at least 0.001"+got(n, path))
	}
	return cpus
}

// pairs reads labels and the like; nil if there are none.
func (b *builder) pairs(n *node, path string) map[string]string {
	if n == nil || len(n.fields) == 0 {
		return nil
	}
	out := make(map[string]string, len(n.fields))
	for _, f := range n.fields {
		out[f.key] = b.pairValue(f.value, join(path, f.key))
	}
	return out
}

// pairValue is a value as text. A number is written as Swarm does, which is not
// always as it stands in the file.
func (b *builder) pairValue(n *node, path string) string {
	var value string
	switch n.kind {
	case null:
		return ""
	case text:
		return n.value
	case integer:
		value = n.whole().String()
	default:
		value = fmt.Sprint(n.float())
	}
	if value != n.value && !isSecret(path) {
		b.to.warn(n.pos, path, fmt.Sprintf("the number %s becomes the text %q, as with Swarm: put it in quotes to keep it", n.value, value))
	} else if value != n.value {
		b.to.warn(n.pos, path, "the number becomes another text, as with Swarm: put it in quotes to keep it")
	}
	return value
}
