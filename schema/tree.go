package schema

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

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
	// maxExpanded is how many bytes the values may have together then.
	maxExpanded = 16 << 20
	// maxValue is how many bytes one value may have: the kernel passes no longer
	// argument or variable to a process.
	maxValue = 128 << 10
	// maxKey is how many bytes a key may have: each is part of many paths.
	maxKey = 512
)

var tooLong = fmt.Sprintf("a value may have at most %d KiB; put what is longer into a file", maxValue>>10)

// parser turns yaml.v3's nodes into the tree.
type parser struct {
	file    string
	to      *report
	nodes   int
	bytes   int                 // of values
	open    map[*yaml.Node]bool // anchors whose aliases are being expanded
	alias   *yaml.Node          // the outermost of these aliases
	stopped bool
}

// parse reads one YAML document. It returns nil if there is nothing to go on
// with; what is wrong is in the report.
func parse(file string, data []byte, to *report) *node {
	document := onlyDocument(file, data, to)
	if document == nil {
		return nil
	}
	p := &parser{file: file, to: to, open: map[*yaml.Node]bool{}}
	root := p.node(document.Content[0], "", 0)
	if p.stopped || root.broken {
		return nil
	}
	return root
}

// onlyDocument is the one document of a file; empty ones after it are nothing.
func onlyDocument(file string, data []byte, to *report) *yaml.Node {
	if problem, found := checkText(file, data); found {
		to.problems = append(to.problems, problem)
		return nil
	}
	var document *yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var next yaml.Node
		switch err := decoder.Decode(&next); {
		case isEOF(err) && document != nil:
			return document
		case err != nil:
			to.problems = append(to.problems, syntaxProblem(file, data, err))
			return nil
		case document == nil:
			document = &next
		case next.Content[0].ShortTag() != "!!null":
			to.problem(at(file, &next), "", "a second YAML document: a stack file is one document; put the other into a stack of its own")
			return nil
		}
	}
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
		p.tag(n, y, path, "!!seq")
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
	n.value, n.kind = y.Value, scalarKinds[y.ShortTag()]
	plain := yaml.Node{Kind: yaml.ScalarNode, Value: y.Value}
	p.tag(n, y, path, "!!str", plain.ShortTag())
	if p.bytes += len(y.Value); p.bytes > maxExpanded {
		p.stop(y, fmt.Sprintf("the values have more than %d MiB once their aliases are expanded: use fewer aliases of long values", maxExpanded>>20))
	}
	switch {
	case len(y.Value) > maxValue:
		p.refuse(n, path, tooLong)
	case strings.ContainsRune(y.Value, 0):
		p.refuse(n, path, "a NUL character: no process can have one in its arguments, variables or names")
	}
}

// scalarKinds are the kinds by their tags. A value of any other is refused.
var scalarKinds = map[string]kind{
	"!!null": null, "!!bool": boolean, "!!int": integer, "!!float": float, "!!str": text, "!!timestamp": text,
}

// tag refuses a value whose tag is written and none of those that fit.
func (p *parser) tag(n *node, y *yaml.Node, path string, fitting ...string) {
	if tag := y.ShortTag(); y.Style&yaml.TaggedStyle != 0 && !slices.Contains(fitting, tag) {
		p.refuse(n, path, fmt.Sprintf("the tag %s does not go with this value: leave it out", tag))
	}
}

// refuse reports what is wrong with a value, of which no more is said.
func (p *parser) refuse(n *node, path, message string) {
	p.to.problem(n.pos, strings.TrimPrefix(path, "."), message)
	n.broken = true
}

func (p *parser) mapping(n *node, y *yaml.Node, path string, depth int) {
	n.kind = mapping
	p.tag(n, y, path, "!!map")
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i], y.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.ShortTag() == "!!merge" {
			if merges = append(merges, value); len(merges) == 2 {
				p.to.warn(at(p.file, key), strings.TrimPrefix(path, "."), "<< is written twice, which newer versions of Docker refuse; what both bring is the first one's: write one list, << : [*a, *b]")
			}
			continue
		}
		name := key.Value // 80 and on are text to Compose
		if why := wrongKey(key); why != "" {
			p.to.problem(at(p.file, key), strings.TrimPrefix(path, "."), why)
			continue
		}
		here := path + "." + name
		if first := n.field(name); first != nil {
			p.to.problem(at(p.file, key), here[1:], fmt.Sprintf("written twice; the first one is at %s: keep one", place(first.pos, at(p.file, key))))
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

// wrongKey says what is wrong with a key, if anything.
func wrongKey(y *yaml.Node) string {
	switch {
	case y.Kind != yaml.ScalarNode || y.ShortTag() == "!!null":
		return "a key must be text"
	case len(y.Value) > maxKey:
		return fmt.Sprintf("a key may have at most %d characters", maxKey)
	case strings.ContainsFunc(y.Value, unicode.IsControl):
		return "a key must not have control characters"
	}
	return ""
}

// place is a position as it is told at another one: without the file if that is
// the same.
func place(p, here specs.Position) string {
	if p.File == here.File {
		return fmt.Sprintf("%d:%d", p.Line, p.Column)
	}
	return p.String()
}
