package schema

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// objects checks the top-level networks, volumes, secrets and configs, and reads
// the files of the last two. What is not built of networks and volumes is told by
// the services that use them.
func (b *builder) objects() {
	for _, section := range []string{"networks", "volumes", "secrets", "configs"} {
		for _, f := range fieldsOf(b.root.get(section)) {
			here := section + "." + f.key
			if why := wrongObjectName(f.key); why != "" {
				b.to.problem(f.pos, here, why)
				continue
			}
			external := isExternal(f.value)
			if old := f.value.at("external", "name"); old != nil && f.value.get("name") != nil {
				b.to.problem(old.pos, here+".external.name", "does not go with name: keep name")
			}
			switch section {
			case "volumes":
				b.volumeObject(f, external, here)
			case "secrets", "configs":
				b.fileObject(specs.FileKind(strings.TrimSuffix(section, "s")), f, here)
			}
		}
	}
}

func wrongObjectName(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool {
		return !(r == '.' || r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
	}) {
		return "the name may have letters, digits, dots, - and _ only"
	}
	return ""
}

func isExternal(n *node) bool { return n.at("external", externalIs).bool() }

func (b *builder) volumeObject(f *field, external bool, here string) {
	for _, key := range []string{"driver", "driver_opts", "labels"} {
		if other := f.value.field(key); external && other != nil {
			b.to.problem(other.pos, here+"."+key, "does not go with external: the volume exists already")
		}
	}
}

// beside is the path in the tree of a file that the stack file names relative to
// itself.
func (b *builder) beside(n *node, at string) (string, bool) {
	name := path.Join(b.dir, n.value)
	if path.IsAbs(n.value) || !fs.ValidPath(name) {
		b.to.problem(n.pos, at, fmt.Sprintf("%s %s", shortened(n.value), errOutside))
		return "", false
	}
	return name, true
}

// readBeside reads such a file.
func (b *builder) readBeside(n *node, at string) (name string, data []byte, ok bool) {
	name, ok = b.beside(n, at)
	if !ok {
		return name, nil, false
	}
	if b.read > maxRead {
		b.to.problem(n.pos, at, fmt.Sprintf("not read: the files that this stack names have more than %d MiB already: use fewer, or smaller ones", maxRead>>20))
		return name, nil, false
	}
	data, err := b.tree.read(name)
	if err != nil {
		b.to.problem(n.pos, at, fmt.Sprintf("%s %s", shortened(name), err))
		return name, nil, false
	}
	b.read += len(data)
	return name, data, true
}

// maxRead is how many bytes of env files, secrets and configs one stack may name
// before no more are read; each counts as often as it is named.
const maxRead = 64 << 20

// defined reports a name that the top level does not define.
func (b *builder) defined(section string, n *node, at string) bool {
	all := b.root.get(section)
	if all.field(n.value) != nil {
		return true
	}
	b.to.problem(n.pos, at, fmt.Sprintf("no %s %s in the top-level %s%s",
		strings.TrimSuffix(section, "s"), quote(n.value), section, b.to.didYouMean(n.value, keysOf(all))))
	return false
}
