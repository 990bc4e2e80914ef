package specs

import (
	"strings"
	"testing"
)

func TestParseConstraint(t *testing.T) {
	for text, want := range map[string]Constraint{
		"node.role==manager":          {"node.role", "manager", true},
		" node.labels.a  != b c ":     {"node.labels.a", "b c", false},
		"engine.labels.os == 12 (x)*": {"engine.labels.os", "12 (x)*", true},
	} {
		if got, err := ParseConstraint(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"node.role":            "must be KEY == VALUE",
		"node.role = manager":  "must be KEY == VALUE",
		"== b":                 "the key must be",
		"9lives == b":          "the key must be",
		"node.labels.zone ==":  "the value may have",
		"node.labels.a == b,c": "the value may have",
		"node.role!=a==b":      "the value may have",
		"node.role==a!=b":      "the value may have",
	} {
		if _, err := ParseConstraint(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
