package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// forms make a short form long, in place. They say false if the value cannot be
// used, having reported why, and leave alone what is neither form: its shape is
// checked next.
var forms map[string]func(s *shaper, n *node, path string) bool

func init() { // the forms of ports and mounts use the shaper, which uses forms
	forms = map[string]func(s *shaper, n *node, path string) bool{
		"list": listForm, "words": wordsForm, "pairs": pairsForm, "hosts": hostsForm,
		"names": namesForm, "source": keyForm("source"), "test": testForm, "build": keyForm("context"),
		"ulimit": ulimitForm, "external": externalForm, "ports": portsForm, "mount": mountForm,
	}
}

// formWords say what a value may be that has a short form.
var formWords = map[string]string{
	"list": "must be text or a list", "words": "must be text or a list", "test": "must be text or a list",
	"pairs": "must be a mapping, or a list of KEY=VALUE", "hosts": "must be a list of HOST:IP, or a mapping",
	"names": "must be a list of names, or a mapping", "source": "must be a name, or a mapping with source",
	"mount": "must be SOURCE:TARGET, or a mapping with type, source and target",
}

// listForm: one value for a list of one.
func listForm(_ *shaper, n *node, _ string) bool {
	if n.kind == text {
		*n = *listOf(n, *n)
	}
	return true
}

// wordsForm: a command line for a list of words.
func wordsForm(s *shaper, n *node, path string) bool {
	if n.kind != text {
		return true
	}
	words, err := splitWords(n.value)
	if err != nil {
		s.to.problem(n.pos, path, err.Error()+": put such words into a list")
		return false
	}
	if !s.grow(n, path, len(words)) {
		return false
	}
	items := make([]node, len(words))
	for i, word := range words {
		items[i] = node{kind: text, value: word, pos: n.pos}
	}
	*n = *listOf(n, items...)
	return true
}

// testForm: a command line for a shell.
func testForm(_ *shaper, n *node, _ string) bool {
	if n.kind == text {
		*n = *listOf(n, node{kind: text, value: "CMD-SHELL", pos: n.pos}, *n)
	}
	return true
}

// pairsForm: a list of KEY=VALUE for a mapping. As in Swarm the last of two
// equal keys counts.
func pairsForm(s *shaper, n *node, path string) bool {
	if n.kind != list {
		return true
	}
	m := node{kind: mapping, pos: n.pos}
	for _, item := range n.items {
		if item.kind != text {
			s.to.problem(item.pos, item.path(path), "must be text such as KEY=VALUE"+got(item, path))
			continue
		}
		key, value, hasValue := strings.Cut(item.value, "=")
		v := &node{kind: text, value: value, pos: item.pos, interpolated: item.interpolated}
		if !hasValue {
			v.kind = null
		}
		if first := m.field(key); first != nil {
			s.to.warn(item.pos, join(path, key), fmt.Sprintf("written twice, the first time at %s: the last one counts", place(first.pos, item.pos)))
			first.pos, first.value = item.pos, v
			continue
		}
		m.add(&field{key: key, pos: item.pos, value: v, made: true})
	}
	*n = m
	return true
}

// hostsForm: a mapping, or HOST=IP, for a list of HOST:IP.
func hostsForm(_ *shaper, n *node, _ string) bool {
	switch n.kind {
	case mapping:
		var items []node
		for _, f := range n.fields {
			items = append(items, node{kind: text, value: f.key + ":" + f.value.value, pos: f.value.pos})
		}
		slices.SortFunc(items, func(a, b node) int { return strings.Compare(a.value, b.value) })
		*n = *listOf(n, items...)
	case list:
		for _, item := range n.items {
			host, ip, found := strings.Cut(item.value, "=")
			if item.kind == text && found && !strings.Contains(host, ":") {
				item.value = host + ":" + ip
			}
		}
	}
	if n.kind == list {
		for _, item := range n.items {
			item.value = strings.NewReplacer(":[", ":", "]", "").Replace(item.value)
		}
	}
	return true
}

// namesForm: a list of names for a mapping of names to nothing.
func namesForm(s *shaper, n *node, path string) bool {
	if n.kind != list {
		return true
	}
	m := node{kind: mapping, pos: n.pos}
	for _, item := range n.items {
		here := item.path(path)
		if item.kind != text {
			s.to.problem(item.pos, here, "must be text"+got(item, here))
		} else if first := m.field(item.value); first != nil {
			s.to.problem(item.pos, here, fmt.Sprintf("written twice; the first one is at %s: keep one", place(first.pos, item.pos)))
		} else {
			m.add(&field{key: item.value, pos: item.pos, value: &node{kind: null, pos: item.pos}, made: true})
		}
	}
	*n = m
	return true
}

// keyForm: the value of one key for a mapping with that key.
func keyForm(key string) func(*shaper, *node, string) bool {
	return func(_ *shaper, n *node, _ string) bool {
		if n.kind == text {
			*n = *mappingOf(n, key, *n)
		}
		return true
	}
}

// ulimitForm: one number for both limits.
func ulimitForm(s *shaper, n *node, path string) bool {
	if n.kind == text && n.interpolated {
		if _, err := strconv.ParseInt(n.value, 10, 64); err == nil {
			n.kind = integer
		}
	}
	if n.kind == mapping || n.kind == integer {
		if n.kind == integer {
			both := mappingOf(n, "soft", *n)
			hard := *n
			both.add(&field{key: "hard", pos: n.pos, value: &hard, made: true})
			*n = *both
		}
		for _, key := range []string{"soft", "hard"} {
			if n.get(key) == nil && !n.wasLost(key) {
				s.to.problem(n.pos, path, "needs both soft and hard; "+key+" is missing")
				return false
			}
		}
		return true
	}
	s.to.problem(n.pos, path, "must be a whole number, or a mapping with soft and hard"+got(n, path))
	return false
}

// externalIs is the key that the long form of external has for true or false. No
// file can have it: it is no name.
const externalIs = "(is)"

// externalForm: true or false, or the old {name: x}.
func externalForm(s *shaper, n *node, path string) bool {
	if n.kind == text && n.interpolated {
		if truth, ok := truths[strings.ToLower(n.value)]; ok {
			n.kind, n.value = boolean, strconv.FormatBool(truth)
		}
	}
	switch n.kind {
	case boolean:
		*n = *mappingOf(n, externalIs, *n)
	case mapping:
		n.drop(externalIs)
		n.add(&field{key: externalIs, pos: n.pos, value: &node{kind: boolean, value: "true", pos: n.pos}, made: true})
	default:
		s.to.problem(n.pos, path, "must be true or false"+got(n, path))
		return false
	}
	return true
}

// grow counts values that a short form stands for, and reports when they are too
// many.
func (s *shaper) grow(n *node, path string, by int) bool {
	if s.made += by; s.made > maxNodes {
		s.to.problem(n.pos, path, fmt.Sprintf("the short forms of this file stand for more than %d values: use fewer, or smaller ranges", maxNodes))
	}
	return s.made <= maxNodes
}

// path is that of an item of the list at the path.
func (n *node) path(list string) string { return join(list, strconv.Itoa(n.index)) }

func listOf(n *node, items ...node) *node {
	l := &node{kind: list, pos: n.pos, index: n.index}
	for i, item := range items {
		item.index = i
		l.items = append(l.items, &item)
	}
	return l
}

func mappingOf(n *node, key string, value node) *node {
	return &node{kind: mapping, pos: n.pos, index: n.index, fields: []*field{{key: key, pos: n.pos, value: &value, made: true}}}
}

func fieldAt(key string, pos specs.Position, k kind, value string) *field {
	return &field{key: key, pos: pos, value: &node{kind: k, value: value, pos: pos}, made: true}
}
