package schema

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/swarmgit/swarmgit/specs"
)

// settingsFiles are the names of the file that lists stacks.
var settingsFiles = []string{"swarmgit.yaml", "swarmgit.yml"}

// maxLayers is how many files one stack may be merged of, and how many env files it
// may have: each costs about 1 ms, or a second for the largest.
const maxLayers = 32

// listing is what a swarmgit.yaml says.
type listing struct {
	stacks   []found
	all      *node // the stacks as they are written, nil if there are none
	discover bool  // stacks that are not listed, too
}

// names says whether the stack is listed, be it with a mistake.
func (l listing) names(stack string) bool { return l.all.field(stack) != nil || l.all.wasLost(stack) }

// readListing reads the swarmgit.yaml of a folder. Without one, stacks are
// discovered.
func readListing(tree *files, root string, check *validator, to *report) listing {
	list := listing{discover: true}
	var file string
	for _, name := range settingsFiles {
		here := path.Join(root, name)
		switch {
		case tree.exists(here) != nil:
		case file != "":
			to.problem(specs.Position{File: here}, "", fmt.Sprintf("%s is there too: keep one", file))
		default:
			file = here
		}
	}
	if file == "" {
		return list
	}
	data, err := tree.read(file)
	if err != nil {
		to.problem(specs.Position{File: file}, "", err.Error())
		return list
	}
	n := parse(file, data, to)
	if n == nil {
		return list
	}
	if n.kind != mapping {
		to.problem(n.pos, "", "a swarmgit.yaml is a mapping with `stacks:`"+got(n, ""))
		return list
	}
	shape(n, listingFormat, to)
	check.check(n, listingFormat, to)
	if only := n.get("discover"); only != nil {
		list.discover = only.bool()
	}
	l := lister{file: file, to: to}
	list.all = n.get("stacks")
	for _, f := range fieldsOf(list.all) {
		if stack, ok := l.stack(f); ok {
			list.stacks = append(list.stacks, stack)
		}
	}
	return list
}

// lister reads the stacks of one swarmgit.yaml.
type lister struct {
	file string
	to   *report
}

func (l lister) stack(f *field) (found, bool) {
	here := "stacks." + f.key
	stack := found{name: f.key, list: l.file, values: map[string]string{}}
	names, env := f.value.get("files"), f.value.get("env_file")
	switch why := wrongName(f.key); {
	case why != "":
		l.to.problem(f.pos, here, fmt.Sprintf("the stack's name %q %s", f.key, why))
		return stack, false
	case f.value.wasLost("files"):
		return stack, false // what is wrong has been said
	case names == nil || len(names.items) == 0:
		l.to.problem(f.pos, here, "needs files: a stack file, and those that go over it")
		return stack, false
	case len(names.items) > maxLayers:
		l.to.problem(names.pos, here+".files", fmt.Sprintf("a stack has at most %d files, got %d", maxLayers, len(names.items)))
		return stack, false
	case len(itemsOf(env)) > maxLayers:
		l.to.problem(env.pos, here+".env_file", fmt.Sprintf("a stack has at most %d env files, got %d", maxLayers, len(env.items)))
		return stack, false
	}
	stack.files = l.below(names, here+".files")
	stack.env = l.below(env, here+".env_file")
	for _, v := range fieldsOf(f.value.get("values")) {
		if v.key == "" || variableName.FindString(v.key) != v.key {
			l.to.problem(v.pos, here+".values", "a variable's name has letters, digits and _ only"+shownName(v.key))
			continue
		}
		stack.values[v.key] = v.value.value
	}
	return stack, len(stack.files) == len(names.items)
}

// below are the files of a list, whose names count from the folder of the
// swarmgit.yaml and may lead anywhere in the repository.
func (l lister) below(n *node, at string) (all []layer) {
	for _, item := range itemsOf(n) {
		here := item.path(at)
		name := path.Join(path.Dir(l.file), item.value)
		if path.IsAbs(item.value) || !fs.ValidPath(name) {
			l.to.problem(item.pos, here, shortened(item.value)+" "+errOutside.Error())
			continue
		}
		all = append(all, layer{name, item.pos, here})
	}
	return all
}
