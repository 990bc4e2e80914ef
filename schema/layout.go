package schema

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// stackFiles are the names that a stack file may have in its folder.
var stackFiles = []string{
	"stack.yml", "docker-stack.yml", "compose.yml", "docker-compose.yml",
	"stack.yaml", "docker-stack.yaml", "compose.yaml", "docker-compose.yaml",
}

// found is one stack of a tree, not read yet.
type found struct {
	name   string
	files  []layer // at least one; each goes over those before it
	list   string  // the swarmgit.yaml that names it; empty when its place does
	env    []layer // variables over those of .env, by the list only
	values map[string]string
}

// layer is a file of a stack, and where it is named: itself, unless a list does.
type layer struct {
	file string
	pos  specs.Position
	path string
}

// problem says what is wrong with the file.
func (l layer) problem(err error, to *report) {
	message := err.Error()
	if l.path != "" {
		message = l.file + " " + message
	}
	to.problem(l.pos, l.path, message)
}

func (f found) first() string { return f.files[0].file }

const stacksFolder = "stacks"

// maxStacks is how many names the folder of the stacks may have: each costs about
// 1 ms to read.
const maxStacks = 10_000

// find finds the stacks of a tree below root, sorted by name: those that are listed,
// and those that have the place of one, which is reported if it is none.
func find(tree *files, root string, check *validator, to *report) []found {
	root = path.Clean(root)
	if !fs.ValidPath(root) {
		to.problem(specs.Position{File: root}, "", errOutside.Error())
		return nil
	}
	if root != "." && !isFolder(tree, root) {
		to.problem(specs.Position{File: root}, "", "there is no such folder")
		return nil
	}
	list := readListing(tree, root, check, to)
	d := discovery{tree: tree, to: to, names: map[string]string{}, taken: map[string]bool{}}
	stacks := list.stacks
	for _, stack := range stacks {
		for _, f := range stack.files {
			d.taken[f.file] = true
		}
	}
	switch {
	case !list.discover:
	case isFolder(tree, path.Join(root, stacksFolder)):
		d.inStacks(path.Join(root, stacksFolder))
	default:
		d.inFolders(root)
	}
	for name, file := range d.names {
		if !list.names(name) {
			stacks = append(stacks, found{name: name, files: []layer{{file: file, pos: specs.Position{File: file}}}})
		}
	}
	if len(stacks) == 0 {
		d.nothing(root)
	}
	slices.SortFunc(stacks, func(a, b found) int { return strings.Compare(a.name, b.name) })
	return stacks
}

type discovery struct {
	tree  *files
	to    *report
	names map[string]string // stack -> file
	taken map[string]bool   // files of listed stacks, which are no others'
}

// inStacks finds stacks/<name>/<stack file> and stacks/<name>.yml.
func (d *discovery) inStacks(folder string) {
	for _, entry := range d.list(folder) {
		at := path.Join(folder, entry)
		if isFolder(d.tree, at) {
			d.folder(entry, at, stackFiles, true)
		} else if name, ok := yamlStem(entry); ok && !d.taken[at] {
			d.stack(name, at)
		}
	}
}

// inFolders finds <name>/stack.yml.
func (d *discovery) inFolders(root string) {
	for _, entry := range d.list(root) {
		if at := path.Join(root, entry); isFolder(d.tree, at) {
			d.folder(entry, at, []string{"stack.yml", "stack.yaml"}, false)
		}
	}
}

// folder takes the one stack file of a folder. In a folder that can be nothing
// but a stack, YAML files of other names are worth a word.
func (d *discovery) folder(name, at string, names []string, mustBeStack bool) {
	var here, other []string
	for _, entry := range d.list(at) {
		if d.taken[path.Join(at, entry)] {
			continue
		}
		if slices.Contains(names, entry) {
			here = append(here, entry)
		} else if _, ok := yamlStem(entry); ok {
			other = append(other, entry)
		}
	}
	switch {
	case len(here) == 1:
		d.stack(name, path.Join(at, here[0]))
	case len(here) > 1:
		d.to.problem(specs.Position{File: path.Join(at, here[1])}, "",
			fmt.Sprintf("%s is a second stack file of the stack %s: keep one", path.Join(at, here[0]), name))
	case mustBeStack && len(other) > 0:
		d.to.warn(specs.Position{File: path.Join(at, other[0])}, "",
			"not read: the stack file of a folder is called stack.yml, docker-stack.yml, compose.yml or docker-compose.yml")
	}
}

func (d *discovery) stack(name, file string) {
	if other, taken := d.names[name]; taken {
		d.to.problem(specs.Position{File: file}, "", fmt.Sprintf("the stack %s has a second file, %s: keep one", name, other))
		return
	}
	if why := wrongName(name); why != "" {
		d.to.problem(specs.Position{File: file}, "", fmt.Sprintf("the stack's name %q %s", name, why))
		return
	}
	d.names[name] = file
}

// nothing tells a newcomer where stacks are looked for.
func (d *discovery) nothing(root string) {
	if d.to.refused() {
		return
	}
	at := root
	for _, name := range stackFiles {
		if file := path.Join(root, name); d.tree.exists(file) == nil {
			at = file
		}
	}
	d.to.warn(specs.Position{File: at}, "", "no stack found: a stack is stacks/<name>/stack.yml, stacks/<name>.yml, or <name>/stack.yml")
}

// list returns the visible entries of a folder, sorted.
func (d *discovery) list(folder string) []string {
	real, err := d.tree.resolve(folder)
	if err != nil {
		d.to.problem(specs.Position{File: folder}, "", err.Error())
		return nil
	}
	entries, err := fs.ReadDir(d.tree.fsys, real)
	if err != nil {
		d.to.problem(specs.Position{File: folder}, "", plain(err).Error())
		return nil
	}
	var names []string
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	if len(names) > maxStacks {
		d.to.problem(specs.Position{File: folder}, "", fmt.Sprintf("it has %d files and folders: stacks are looked for among at most %d", len(names), maxStacks))
		return nil
	}
	return names
}

// isFolder also holds for a link to a folder inside the tree. What cannot be
// followed is no folder; if it has a stack file's name, reading it will tell.
func isFolder(tree *files, name string) bool {
	real, err := tree.resolve(name)
	if err != nil {
		return false
	}
	info, err := fs.Stat(tree.fsys, real)
	return err == nil && info.IsDir()
}

func yamlStem(name string) (string, bool) {
	for _, suffix := range []string{".yml", ".yaml"} {
		if stem, ok := strings.CutSuffix(name, suffix); ok && stem != "" {
			return stem, true
		}
	}
	return "", false
}

// maxName is the longest name of a service, stack and underscore included: the
// longest label of a DNS name, as in Swarm.
const maxName = 63

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$`)

// wrongName says what is wrong with the name of a stack or service, if anything.
func wrongName(name string) string {
	switch {
	case len(name) > maxName:
		return fmt.Sprintf("has %d characters; at most %d are allowed", len(name), maxName)
	case !nameForm.MatchString(name):
		return "may have letters, digits, - and _ only, and begins and ends with a letter or digit"
	}
	return ""
}
