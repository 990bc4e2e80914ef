package scheduler

import (
	"net/netip"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// Constraint is a condition on a node. The whole value is compared, whatever its
// case; there are no wildcards. A label that is missing is equal to "". An
// attribute that does not exist meets nothing, whatever the operator.
type Constraint specs.Constraint

// ParseConstraint reads "node.labels.zone == b".
func ParseConstraint(text string) (Constraint, error) {
	c, err := specs.ParseConstraint(text)
	return Constraint(c), err
}

// String is the constraint without spaces, "node.labels.zone==b".
func (c Constraint) String() string {
	if c.Equal {
		return c.Key + "==" + c.Value
	}
	return c.Key + "!=" + c.Value
}

// Meets reports whether the node meets the constraint.
func (c Constraint) Meets(n *specs.Node) bool {
	if strings.EqualFold(c.Key, "node.ip") {
		return c.meetsIP(n.Seen.Addr)
	}
	has, known := attribute(n, c.Key)
	if !known {
		return false
	}
	value := c.Value
	if strings.EqualFold(c.Key, "node.platform.arch") {
		has, value = goarch(has), goarch(value)
	}
	return strings.EqualFold(has, value) == c.Equal
}

// meetsIP compares with an address or a subnet; a value that is neither meets
// nothing.
func (c Constraint) meetsIP(addr string) bool {
	has, _ := netip.ParseAddr(addr)
	has = has.Unmap()
	if want, err := netip.ParseAddr(c.Value); err == nil {
		return (has == want.Unmap()) == c.Equal
	}
	subnet, err := netip.ParsePrefix(c.Value)
	return err == nil && subnet.Contains(has) == c.Equal
}

// ofOneNode reports whether the constraint can tell apart two nodes of a class.
func (c Constraint) ofOneNode() bool {
	switch strings.ToLower(c.Key) {
	case "node.id", "node.hostname", "node.ip":
		return true
	}
	return false
}

const (
	nodeLabels   = "node.labels."
	engineLabels = "engine.labels."
)

// attribute returns what a node has under a key, but for node.ip. It is not
// known when no node has such an attribute.
func attribute(n *specs.Node, key string) (value string, known bool) {
	if name, ok := cutPrefixFold(key, nodeLabels); ok {
		return n.Spec.Labels[name], true
	}
	d := &n.Seen.Description
	if name, ok := cutPrefixFold(key, engineLabels); ok {
		return d.EngineLabels[name], true
	}
	switch strings.ToLower(key) {
	case "node.id":
		return n.ID, true
	case "node.hostname":
		return d.Hostname, true
	case "node.role":
		return string(n.Spec.Role), true
	case "node.platform.os":
		return d.OS, true
	case "node.platform.arch":
		return d.Arch, true
	}
	return "", false
}

// cutPrefixFold ignores the case of the prefix; something must follow it.
func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) <= len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// goarch turns the kernel's names of processors, which Swarm shows, into Go's.
func goarch(name string) string {
	switch strings.ToLower(name) {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return name
}
