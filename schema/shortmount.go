package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

var propagations = []string{"private", "rprivate", "shared", "rshared", "slave", "rslave"}

// mountForm: SOURCE:TARGET:OPTIONS or TARGET for the long form of a mount.
func mountForm(s *shaper, n *node, path string) bool {
	if n.kind == mapping && n.get("type") == nil && !n.wasLost("type") {
		s.to.problem(n.pos, path, "needs a type: bind, volume or tmpfs")
		return false
	}
	if n.kind != text {
		return true
	}
	spec := n.value
	parts := splitMount(spec)
	if len(parts) > 3 || slices.Contains(parts, "") {
		s.to.problem(n.pos, path, "must be SOURCE:TARGET or SOURCE:TARGET:ro"+got(n, path))
		return false
	}
	if len(parts) == 1 && len(spec) > 1 && spec[1] == ':' {
		s.to.problem(n.pos, path, "a single letter before a colon is a drive of Windows, as with Swarm: give the volume a longer name, or write type, source and target"+got(n, path))
		return false
	}
	source, target, options := "", parts[0], ""
	if len(parts) > 1 {
		source, target = parts[0], parts[1]
	}
	if len(parts) > 2 {
		options = parts[2]
	}
	pos := n.pos
	kindOfMount := "volume"
	if source != "" && strings.Contains("./~\\", source[:1]) || strings.Contains(source, ":") { // after a drive
		kindOfMount = "bind"
	}
	m := &node{kind: mapping, pos: pos, index: n.index, fields: []*field{
		fieldAt("type", pos, text, kindOfMount), fieldAt("target", pos, text, target),
	}}
	if source != "" {
		m.add(fieldAt("source", pos, text, source))
	}
	if options != "" {
		s.mountOptions(m, options, path)
	}
	*n = *m
	return true
}

func (s *shaper) mountOptions(m *node, options, path string) {
	for option := range strings.SplitSeq(options, ",") {
		switch {
		case option == "ro" || option == "rw":
			m.drop("read_only")
			m.add(fieldAt("read_only", m.pos, boolean, strconv.FormatBool(option == "ro")))
		case option == "nocopy":
			nocopy := node{kind: boolean, value: "true", pos: m.pos}
			m.add(&field{key: "volume", pos: m.pos, value: mappingOf(m, "nocopy", nocopy), made: true})
		case slices.Contains(propagations, option):
			propagation := node{kind: text, value: option, pos: m.pos}
			m.drop("bind")
			m.add(&field{key: "bind", pos: m.pos, value: mappingOf(m, "propagation", propagation), made: true})
		default:
			s.to.warn(m.pos, path, fmt.Sprintf("the option %s is ignored, as by Swarm", quote(option)))
		}
	}
}

// splitMount splits at colons, but not after the letter of a Windows drive.
func splitMount(spec string) (parts []string) {
	for i := 0; i < len(spec); i++ {
		if spec[i] == ':' && !isDrive(spec[:i]) {
			parts = append(parts, spec[:i])
			spec, i = spec[i+1:], -1
		}
	}
	return append(parts, spec)
}

func isDrive(part string) bool {
	r, size := utf8.DecodeRuneInString(part)
	return size == len(part) && unicode.IsLetter(r)
}
