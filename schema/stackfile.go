package schema

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// loaded is what one stack gave.
type loaded struct {
	stack  specs.Stack
	report report
	weight int // about how many bytes of memory it takes
}

// perValue and perStack are the bytes that one value of a stack takes, with its place,
// and those that a stack takes by itself.
const (
	perValue = 300
	perStack = 4 << 10
)

// readStack takes the files of one stack the whole way, see the package comment.
// The content of the first is at hand.
func readStack(tree *files, stack found, first []byte, check *validator) loaded {
	one := loaded{weight: perStack}
	to := &one.report
	vars := stack.variables(tree, to)
	var root *node
	for i, layer := range stack.files {
		data := first
		if i > 0 {
			var err error
			if data, err = tree.read(layer.file); err != nil {
				layer.problem(err, to)
				continue
			}
		}
		one.weight += len(data)
		switch n := readLayer(layer.file, data, vars, check, to); {
		case n == nil:
		case root == nil:
			root = n
		default:
			merge(root, n, stackFormat.rules())
		}
	}
	one.weight += vars.grown
	if root == nil {
		return one
	}
	b := &builder{stack: stack.name, list: stack.list, dir: path.Dir(stack.first()), tree: tree, to: to, root: root, vars: vars}
	one.stack = b.build()
	one.weight += b.read + perValue*(root.size()+b.given)
	return one
}

// readLayer reads one stack file as far as it stands for itself. It returns nil if
// there is nothing to go on with.
func readLayer(file string, data []byte, vars *variables, check *validator, to *report) *node {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // no editor counts it as a column
	root := parse(file, data, to)
	if root == nil {
		return nil
	}
	if root.kind != mapping {
		to.problem(root.pos, "", "a stack file is a mapping with `services:`"+got(root, ""))
		return nil
	}
	vars.interpolate(root, "", strings.Split(string(data), "\n"), to)
	root.sweep()
	shape(root, stackFormat, to)
	if services := fieldsOf(root.get("services")); len(services) > maxServices {
		to.problem(services[maxServices].pos, "services", fmt.Sprintf("a stack file has at most %d services, got %d", maxServices, len(services)))
		return nil
	}
	check.check(root, stackFormat, to)
	return root
}

// maxServices is how many services one file may have: each costs about 1 ms and,
// while its file is checked, 60 KB.
const maxServices = 1000

// builder makes specs of a tree that is shaped and checked.
type builder struct {
	stack  string // name
	list   string // the swarmgit.yaml that gives it; empty when the file's place does
	dir    string // of the first stack file, from which the names of others count
	tree   *files
	to     *report
	root   *node
	vars   *variables
	files  map[fileKey]specs.StackFile // the secrets and configs that can be used
	called map[fileKey]string          // their keys, by what the cluster calls them
	labels map[string]string           // of the service that is being made, as templates see them
	work   int                         // see maxTemplateWork
	read   int                         // see maxRead
	given  int                         // see maxGiven
	out    specs.Stack
}

func (b *builder) build() specs.Stack {
	b.out = specs.Stack{Name: b.stack, Tasks: map[specs.Hash]specs.TaskSpec{}, Origins: specs.Origins{}}
	b.origins(b.root, "")
	if name := b.root.field("name"); name != nil && name.value.value != b.stack {
		b.to.problem(name.value.pos, "name", fmt.Sprintf("must be %q, the name that %s gives, or be left out", b.stack, cmp.Or(b.list, "the file's place"))+got(name.value, ""))
	}
	b.files, b.called = map[fileKey]specs.StackFile{}, map[fileKey]string{}
	b.objects()
	services := b.root.get("services")
	if len(fieldsOf(services)) == 0 && !b.to.refused() {
		b.to.warn(b.root.pos, "", "no services: this stack runs nothing")
	}
	taken := map[string]*field{}
	for _, f := range fieldsOf(services) {
		if b.freeName(f, taken) {
			b.service(f)
		}
	}
	b.out.Files = b.usedFiles()
	slices.SortFunc(b.out.Services, func(x, y specs.ServiceSpec) int { return strings.Compare(x.Name, y.Name) })
	return b.out
}

// freeName checks a service's name.
func (b *builder) freeName(f *field, taken map[string]*field) bool {
	path := "services." + f.key
	if why := wrongName(f.key); why != "" {
		b.to.problem(f.pos, path, fmt.Sprintf("the service's name %q %s", f.key, why))
		return false
	}
	if full := b.fullName(f.key); len(full) > maxName {
		b.to.problem(f.pos, path, fmt.Sprintf("the name %s, with its stack, %s", full, wrongName(full)))
		return false
	}
	if other := taken[strings.ToLower(f.key)]; other != nil {
		b.to.problem(f.pos, path, fmt.Sprintf("the name differs from %s at %s by case only", other.key, place(other.pos, f.pos)))
		return false
	}
	taken[strings.ToLower(f.key)] = f
	return true
}

func (b *builder) fullName(service string) string { return b.stack + "_" + service }

// origins remembers where each key stands.
func (b *builder) origins(n *node, path string) {
	for _, f := range n.fields {
		here := join(path, f.key)
		b.out.Origins[here] = f.pos
		b.origins(f.value, here)
	}
	for _, item := range n.items {
		here := item.path(path)
		b.out.Origins[here] = item.pos
		b.origins(item, here)
	}
}

// add takes a finished service into the stack.
func (b *builder) add(service specs.ServiceSpec, task specs.TaskSpec) {
	service.Task = encoding.HashTaskSpec(task)
	b.out.Tasks[service.Task] = task
	b.out.Services = append(b.out.Services, service)
}
