package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// Swarm's grammar of a placement constraint: key == value or key != value.
var (
	constraintKey   = regexp.MustCompile(`^(?i)[a-z_][a-z0-9\-_.]+$`)
	constraintValue = regexp.MustCompile(`^(?i)[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+$`)
)

// nodeAttributes are what a constraint can ask for, besides labels.
var nodeAttributes = []string{"node.id", "node.hostname", "node.ip", "node.role", "node.platform.os", "node.platform.arch"}

func (b *builder) placement(n *node, path string) specs.Placement {
	if n == nil {
		return specs.Placement{}
	}
	var p specs.Placement
	if constraints := n.get("constraints"); constraints != nil {
		for _, item := range constraints.items {
			if c, ok := b.constraint(item, item.path(path+".constraints")); ok {
				p.Constraints = append(p.Constraints, c)
			}
		}
	}
	if preferences := n.get("preferences"); preferences != nil {
		for _, item := range preferences.items {
			if s, ok := b.preference(item, item.path(path+".preferences")); ok {
				p.Preferences = append(p.Preferences, s)
			}
		}
	}
	if most := n.get("max_replicas_per_node").count(); most != nil {
		p.MaxReplicas = *most
	}
	return p
}

// constraint checks one and writes it in its one form.
func (b *builder) constraint(n *node, path string) (string, bool) {
	operator := "=="
	key, value, found := strings.Cut(n.value, operator)
	if other := strings.Index(n.value, "!="); other >= 0 && (!found || other < len(key)) {
		operator = "!="
		key, value, found = strings.Cut(n.value, operator)
	}
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case !found:
		b.to.problem(n.pos, path, "must be KEY == VALUE or KEY != VALUE"+got(n, path))
		return "", false
	case !constraintKey.MatchString(key):
		b.to.problem(n.pos, path, fmt.Sprintf("the key %s is none: write node.labels.NAME, engine.labels.NAME or one of %s", quote(key), strings.Join(nodeAttributes, ", ")))
		return "", false
	case !constraintValue.MatchString(value):
		b.to.problem(n.pos, path, fmt.Sprintf("the value %s is none: it has letters, digits, blanks and :-_.*()?+[]\\^$|/ only", quote(value))+n.lacks())
		return "", false
	}
	if !isLabel(key) && !slices.Contains(nodeAttributes, strings.ToLower(key)) {
		near := b.to.didYouMean(key, append([]string{"node.labels." + afterDot(key)}, nodeAttributes...))
		b.to.warn(n.pos, path, fmt.Sprintf("no node has %s, so no node fits, as with Swarm%s", shortened(key), near))
	}
	return key + " " + operator + " " + value, true
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
