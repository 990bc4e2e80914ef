package schema

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/swarmgit/swarmgit/specs"
)

// Limits on what a small file can expand to.
const (
	// maxNodes is how many values one file may have after its aliases are
	// expanded: 20 times the largest stack seen, built in some milliseconds.
	maxNodes = 50_000
	// maxDepth is how deep values may be nested. Compose needs 8.
	maxDepth = 64
)

// parser turns yaml.v3's nodes into the tree.
type parser struct {
	file    string
	to      *report
	nodes   int
	open    map[*yaml.Node]bool // anchors whose aliases are being expanded
	alias   *yaml.Node          // the outermost of these aliases
	stopped bool
}

// parse reads one YAML document. It returns nil if there is nothing to go on
// with; what is wrong is in the report.
func parse(file string, data []byte, to *report) *node {
	if problem, found := checkText(file, data); found {
		to.problems = append(to.problems, problem)
		return nil
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var document, second yaml.Node
	if err := decoder.Decode(&document); err != nil {
		to.problems = append(to.problems, syntaxProblem(file, data, err))
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		to.problem(at(file, &second), "", "a second YAML document: a stack file is one document; put the other into a stack of its own")
		return nil
	} else if second.Kind == 0 && !isEOF(err) {
		to.problems = append(to.problems, syntaxProblem(file, data, err))
		return nil
	}
	p := &parser{file: file, to: to, open: map[*yaml.Node]bool{}}
	root := p.node(document.Content[0], "", 0)
	if p.stopped {
		return nil
	}
	return root
}

func at(file string, n *yaml.Node) specs.Position {
	return specs.Position{File: file, Line: n.Line, Column: n.Column}
}

// node builds the tree of one YAML node. It never returns nil.
func (p *parser) node(y *yaml.Node, path string, depth int) *node {
	n := &node{pos: at(p.file, y)}
	p.nodes++
	switch {
	case p.stopped:
		return n
	case p.nodes > maxNodes:
		p.stop(y, fmt.Sprintf("the file has more than %d values once its aliases are expanded: use fewer aliases of aliases", maxNodes))
		return n
	case depth > maxDepth:
		p.stop(y, fmt.Sprintf("values are nested more than %d deep", maxDepth))
		return n
	}
	switch y.Kind {
	case yaml.AliasNode:
		return p.expand(y, path, depth)
	case yaml.MappingNode:
		p.mapping(n, y, path, depth)
	case yaml.SequenceNode:
		n.kind = list
		for i, item := range y.Content {
			n.items = append(n.items, p.node(item, path+"."+strconv.Itoa(i), depth+1))
			n.items[i].index = i
		}
	default:
		p.scalar(n, y, path)
	}
	return n
}

// stop ends the parsing at y, or at the alias that led there.
func (p *parser) stop(y *yaml.Node, message string) {
	p.stopped = true
	if p.alias != nil {
		y = p.alias
	}
	p.to.problem(at(p.file, y), "", message)
}

func (p *parser) expand(y *yaml.Node, path string, depth int) *node {
	if p.open[y.Alias] {
		p.alias = nil
		p.stop(y, fmt.Sprintf("the alias *%s stands inside of its own anchor", y.Value))
		return &node{pos: at(p.file, y)}
	}
	p.open[y.Alias] = true
	defer delete(p.open, y.Alias)
	if p.alias == nil {
		p.alias = y
		defer func() { p.alias = nil }()
	}
	return p.node(y.Alias, path, depth+1)
}

func (p *parser) scalar(n *node, y *yaml.Node, path string) {
	n.value = y.Value
	switch tag := y.ShortTag(); tag {
	case "!!null":
		n.kind = null
	case "!!bool":
		n.kind = boolean
	case "!!int":
		n.kind = integer
	case "!!float":
		n.kind = float
	case "!!str", "!!timestamp":
		n.kind = text
	default:
		n.kind = text
		p.to.problem(n.pos, strings.TrimPrefix(path, "."), fmt.Sprintf("the tag %s is not known: leave it out", tag))
	}
}

func (p *parser) mapping(n *node, y *yaml.Node, path string, depth int) {
	n.kind = mapping
	if tag := y.ShortTag(); tag != "!!map" {
		p.to.problem(n.pos, strings.TrimPrefix(path, "."), fmt.Sprintf("the tag %s is not known: leave it out", tag))
	}
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.ShortTag() == "!!merge" {
			merges = append(merges, value)
			continue
		}
		name, ok := keyName(key)
		if !ok {
			p.to.problem(at(p.file, key), strings.TrimPrefix(path, "."), "a key must be text")
			continue
		}
		here := path + "." + name
		if first := n.field(name); first != nil {
			p.to.problem(at(p.file, key), here[1:], fmt.Sprintf("written twice; the first one is at %s: keep one", place(first.pos)))
			first.value.adopt(p.node(value, here, depth+1))
			continue
		}
		n.add(&field{key: name, pos: at(p.file, key), value: p.node(value, here, depth+1)})
	}
	for _, merge := range merges {
		p.merge(n, merge, path, depth)
	}
}

// merge adds what a merge key brings: keys of the mapping itself come first,
// then those of earlier merges.
func (p *parser) merge(n *node, y *yaml.Node, path string, depth int) {
	if y.Kind == yaml.SequenceNode {
		for _, item := range y.Content {
			p.merge(n, item, path, depth)
		}
		return
	}
	from := p.node(y, path, depth+1)
	if from.kind != mapping {
		if !p.stopped {
			p.to.problem(at(p.file, y), strings.TrimPrefix(path, "."), "the merge key << takes a mapping, or a list of mappings")
		}
		return
	}
	n.adopt(from)
}

// keyName is a key as text. Keys such as 80 or on are text to Compose.
func keyName(y *yaml.Node) (string, bool) {
	return y.Value, y.Kind == yaml.ScalarNode && y.ShortTag() != "!!null"
}

// place is a position in the same file.
func place(p specs.Position) string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }
