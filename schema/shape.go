package schema

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"cuelang.org/go/cue"

	"github.com/swarmgit/swarmgit/specs"
)

// shaper brings a tree into the form that compose.cue defines: short forms
// become long, and what is no key, or no list or mapping where one belongs, is
// reported and taken out. It tells the fate of every key that it passes.
type shaper struct {
	to    *report
	minor int // of the format version, 3.y
	made  int // values that short forms have grown to
}

// shape works on the whole file.
func shape(root *node, f *format, to *report) {
	s := &shaper{to: to, minor: newestMinor}
	if version := root.get("version"); version != nil && version.kind == text {
		s.minor = minorVersion(version.value)
	}
	s.value(root, f.rules(), "")
}

// value shapes one value in place and says whether it can stay.
func (s *shaper) value(n *node, r *rule, path string) bool {
	if n.broken {
		return false
	}
	s.cast(n, r)
	if n.kind == null && r.null {
		n.kind = emptyKind(r)
	}
	if form := forms[r.form]; form != nil && !form(s, n, path) {
		return false
	}
	switch {
	case r.kind == cue.StructKind && n.kind != mapping:
		s.to.problem(n.pos, path, cmp.Or(formWords[r.form], "must be a mapping")+got(n, path))
		return false
	case r.kind == cue.ListKind && n.kind != list:
		s.to.problem(n.pos, path, cmp.Or(formWords[r.form], "must be a list")+got(n, path))
		return false
	case r.kind == cue.StructKind:
		s.mapping(n, r, path)
	case r.kind == cue.ListKind:
		s.list(n, r, path)
	}
	return true
}

func emptyKind(r *rule) kind {
	if r.kind == cue.ListKind {
		return list
	}
	return mapping
}

func (s *shaper) mapping(n *node, r *rule, path string) {
	kept := make([]*field, 0, len(n.fields))
	for _, f := range n.fields {
		here := join(path, f.key)
		rule := r.each
		if rule == nil {
			rule = s.known(f, r, here)
		}
		if rule != nil && s.value(f.value, rule, here) {
			kept = append(kept, f)
		} else {
			n.lost = append(n.lost, f.key)
		}
	}
	n.fields = kept
}

func (s *shaper) list(n *node, r *rule, path string) {
	kept := make([]*node, 0, len(n.items))
	seen := map[string]*node{}
	for _, item := range n.items {
		here := item.path(path)
		if r.unique && item.kind == text {
			if first := seen[item.value]; first != nil {
				s.to.problem(item.pos, here, fmt.Sprintf("written twice; the first one is at %s: keep one", place(first.pos, item.pos)))
				continue
			}
			seen[item.value] = item
		}
		if r.each == nil || s.value(item, r.each, here) {
			kept = append(kept, item)
		}
	}
	n.items = kept
}

// known returns the rule of a key that Swarm accepts, having told its fate, and
// reports any other.
func (s *shaper) known(f *field, r *rule, path string) *rule {
	rule, ok := r.fields[f.key]
	switch {
	case f.key == "x-swarmgit" && !ok && r.xSince > 0:
		s.to.partial(f.pos, path, "swarmgit has no keys of its own here yet")
	case strings.HasPrefix(f.key, "x-") && !ok && r.xSince > 0:
		s.since(f, r.xSince, path)
	case !ok && !r.open:
		s.to.problem(f.pos, path, s.unknownKey(f.key, r))
	case !ok && r.fate != ignored:
		s.to.warn(f.pos, path, "ignored, as by Swarm: "+s.unknownKey(f.key, r))
	case !ok:
	case rule.fate == refused:
		s.to.problem(f.pos, path, rule.why)
	case f.made || s.since(f, rule.since, path):
		s.tell(f, rule, path)
		return rule
	}
	return nil
}

// since refuses a key that is newer than the version that the file gives.
func (s *shaper) since(f *field, minor int, path string) bool {
	if minor > s.minor {
		s.to.problem(f.pos, path, fmt.Sprintf("needs version: \"3.%d\" or newer; this file says 3.%d", minor, s.minor))
		return false
	}
	return true
}

// tell says what becomes of a key that is not, or not quite, built.
func (s *shaper) tell(f *field, r *rule, path string) {
	switch r.fate {
	case ignored:
		message := "ignored, as by Swarm"
		if r.why != "" {
			message += ": " + r.why
		}
		s.to.warn(f.pos, path, message)
	case later:
		s.to.warn(f.pos, path, r.why)
	case partial:
		s.to.partial(f.pos, path, r.why)
	}
}

// cast gives a value that a variable made the type that its key asks for, and makes
// 3.0 the integer that it is to Swarm.
func (s *shaper) cast(n *node, r *rule) {
	if n.kind == float && r.kind&cue.NumberKind == cue.IntKind {
		if f := n.float(); f == math.Trunc(f) && !math.IsInf(f, 0) {
			n.kind, n.value = integer, strconv.FormatFloat(f, 'f', -1, 64)
		}
		return
	}
	if !n.interpolated || n.kind != text {
		return
	}
	value := strings.TrimSpace(n.value)
	switch {
	case r.kind == cue.BoolKind:
		if truth, ok := truths[strings.ToLower(value)]; ok {
			n.kind, n.value = boolean, strconv.FormatBool(truth)
		}
	case r.kind&cue.StringKind != 0 || r.kind&cue.NumberKind == 0:
	default:
		if i, err := strconv.ParseInt(value, 10, 64); err == nil {
			n.kind, n.value = integer, strconv.FormatInt(i, 10)
		} else if f, err := strconv.ParseFloat(value, 64); err == nil && r.kind&cue.FloatKind != 0 && !math.IsNaN(f) && !math.IsInf(f, 0) {
			n.kind, n.value = float, strconv.FormatFloat(f, 'g', -1, 64)
		}
	}
}

// truths are the words that Swarm takes for true and false in a variable.
var truths = map[string]bool{
	"y": true, "yes": true, "true": true, "on": true,
	"n": false, "no": false, "false": false, "off": false,
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// got says what was found instead, for the end of a message.
func got(n *node, path string) string {
	switch n.kind {
	case null:
		return ", got nothing"
	case list:
		return ", got a list"
	case mapping:
		return ", got a mapping"
	}
	if isSecret(path) {
		return ", got something else (not shown)"
	}
	if n.kind == text {
		return ", got " + quote(n.value) + n.lacks()
	}
	return ", got " + shortened(n.value)
}

// lacks says, for the end of a message, that a variable of the value is not set.
func (n *node) lacks() string {
	if n == nil || n.unset == "" {
		return ""
	}
	return "; ${" + n.unset + "} is not set"
}

// maxShown is how much of a wrong value a message repeats, in characters.
const maxShown = 60

func shortened(text string) string {
	begin, rest := cutRunes(text, maxShown)
	if rest == "" {
		return text
	}
	return begin + "..."
}

// quote is a text as messages repeat it.
func quote(text string) string { return strconv.Quote(shortened(text)) }

// isSecret says of the last key of a path whether its value is not to be shown.
func isSecret(path string) bool { return specs.SecretName(afterDot(path)) }
