package specs

import (
	"errors"
	"regexp"
	"strings"
)

// Constraint is one condition on a node, in Swarm's grammar: an attribute, ==
// or !=, and a value.
type Constraint struct {
	Key   string // node.labels.zone
	Value string
	Equal bool // == rather than !=
}

var (
	constraintKey   = regexp.MustCompile(`(?i)^[a-z_][a-z0-9\-_.]+$`)
	constraintValue = regexp.MustCompile(`(?i)^[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+$`)
)

// ParseConstraint reads "node.labels.zone == b"; spaces do not matter. Its error
// says what would be right.
func ParseConstraint(text string) (Constraint, error) {
	operator := "=="
	if differs := strings.Index(text, "!="); differs >= 0 && !strings.Contains(text[:differs], operator) {
		operator = "!="
	}
	key, value, found := strings.Cut(text, operator)
	c := Constraint{Key: strings.TrimSpace(key), Value: strings.TrimSpace(value), Equal: operator == "=="}
	switch {
	case !found:
		return Constraint{}, errors.New("must be KEY == VALUE or KEY != VALUE")
	case !constraintKey.MatchString(c.Key):
		return Constraint{}, errors.New("the key must be node.labels.NAME, engine.labels.NAME or another attribute of a node such as node.role")
	case !constraintValue.MatchString(c.Value):
		return Constraint{}, errors.New(`the value may have letters, digits, blanks and :-_.*()?+[]\^$|/ only`)
	}
	return c, nil
}
