package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// nodeAttributes are what a constraint can ask for, besides labels.
var nodeAttributes = []string{"node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch"}

func (b *builder) placement(n *node, path string) specs.Placement {
	p := specs.Placement{MaxReplicas: n.get("max_replicas_per_node").countOrZero()}
	for _, item := range itemsOf(n.get("constraints")) {
		if c, ok := b.constraint(item, item.path(path+".constraints")); ok {
			p.Constraints = append(p.Constraints, c)
		}
	}
	for _, item := range itemsOf(n.get("preferences")) {
		if s, ok := b.preference(item, item.path(path+".preferences")); ok {
			p.Preferences = append(p.Preferences, s)
		}
	}
	return p
}

// constraint checks one and writes it in its one form.
func (b *builder) constraint(n *node, path string) (string, bool) {
	c, err := specs.ParseConstraint(n.value)
	if err != nil {
		b.to.problem(n.pos, path, err.Error()+got(n, path))
		return "", false
	}
	if key := c.Key; !isLabel(key) && !slices.Contains(nodeAttributes, strings.ToLower(key)) {
		near := b.to.didYouMean(key, append([]string{"node.labels." + afterDot(key)}, nodeAttributes...))
		b.to.warn(n.pos, path, fmt.Sprintf("no node has %s, so no node fits, as with Swarm%s", shortened(key), near))
	}
	if c.Equal {
		return c.Key + " == " + c.Value, true
	}
	return c.Key + " != " + c.Value, true
}

func afterDot(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

func isLabel(key string) bool {
	key = strings.ToLower(key)
	return strings.HasPrefix(key, "node.labels.") || strings.HasPrefix(key, "engine.labels.")
}

func (b *builder) preference(n *node, path string) (string, bool) {
	spread := n.get("spread")
	if spread == nil {
		b.to.problem(n.pos, path, "needs spread: node.labels.NAME or engine.labels.NAME")
		return "", false
	}
	if !isLabel(spread.value) {
		b.to.warn(spread.pos, path+".spread", "ignored, as by Swarm: only node.labels.NAME and engine.labels.NAME can be spread over"+got(spread, path))
		return "", false
	}
	return spread.value, true
}
