package schema

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// ageSuffix is how the name of a file ends that is encrypted by age.
const ageSuffix = ".age"

// ageHeads are how such a file begins, binary or as text.
var ageHeads = []string{"age-encryption.org/v1\n", "-----BEGIN AGE ENCRYPTED FILE-----"}

// maxFileMode is all that the mode of a secret or a config can say.
const maxFileMode = 0o777

// fileKey names a secret or a config, within its stack or in the cluster.
type fileKey struct {
	kind specs.FileKind
	name string
}

// fileObject reads a secret or a config of the top level.
func (b *builder) fileObject(kind specs.FileKind, f *field, here string) {
	object := specs.StackFile{
		Kind: kind, Key: f.key, Template: f.value.get("template_driver").text(), External: isExternal(f.value),
		Name: cmp.Or(f.value.get("name").text(), f.value.at("external", "name").text()),
	}
	file := f.value.get("file")
	switch {
	case object.External:
		object.Name = cmp.Or(object.Name, f.key)
		for _, key := range []string{"file", "template_driver"} {
			if other := f.value.field(key); other != nil {
				b.to.problem(other.pos, here+"."+key, "does not go with external: the "+string(kind)+" exists already")
			}
		}
	case f.value.get("driver") != nil:
		if file != nil {
			b.to.problem(file.pos, here+".file", "does not go with driver: keep one")
		}
		return
	case file.text() == "":
		if !slices.ContainsFunc([]string{"driver", "file", "content", "environment"}, f.value.wasLost) {
			b.to.problem(f.pos, here, "needs a file, or external: true")
		}
		return
	default:
		object.Name = cmp.Or(object.Name, b.stack+"_"+f.key)
		if !b.content(&object, file, here+".file") {
			return
		}
	}
	if wrong := specs.WrongFileName(object.Name); wrong != "" {
		b.to.problem(f.pos, here, fmt.Sprintf("the cluster cannot call it %s: %s", quote(object.Name), wrong))
	}
	other, taken := b.called[fileKey{kind, object.Name}]
	if taken && !(object.External && b.files[fileKey{kind, other}].External) {
		b.to.problem(f.pos, here, fmt.Sprintf("the cluster calls %ss.%s %s already: give one of the two another name", kind, other, object.Name))
	}
	b.called[fileKey{kind, object.Name}] = f.key
	b.files[fileKey{kind, f.key}] = object
}

// content reads the file of a secret or a config. A secret that everybody with
// the repository can read is told.
func (b *builder) content(object *specs.StackFile, n *node, at string) bool {
	name, data, ok := b.readBeside(n, at)
	if !ok {
		return false
	}
	object.File, object.Data, object.Encrypted = name, data, strings.HasSuffix(name, ageSuffix)
	wrong := object.Kind.WrongSize(len(data))
	switch {
	case object.Encrypted && object.Kind == specs.Config:
		b.to.problem(n.pos, at, "what is encrypted is no config: define it under secrets; a target may be any path")
		return false
	case object.Encrypted && !slices.ContainsFunc(ageHeads, func(head string) bool { return bytes.HasPrefix(data, []byte(head)) }):
		b.to.problem(n.pos, at, name+" is not encrypted by age, as its name says: age -r $(swarmgit age-key) -o "+path.Base(name)+" FILE")
		return false
	case object.Encrypted: // what it holds is known to the cluster only
		return true
	case wrong != "":
		b.to.problem(n.pos, at, name+" "+wrong)
		return false
	case object.Kind == specs.Secret:
		b.to.warn(n.pos, at, fmt.Sprintf("the secret lies in Git in the clear: age -r $(swarmgit age-key) -o %[1]s%[2]s %[1]s, name that file here, and take a new secret", path.Base(name), ageSuffix))
	}
	if object.Template != "" {
		b.checkPayload(name, at, data)
	}
	return true
}

// fileRefs are the secrets and configs of a service, as files that have a place
// of their own.
func (b *builder) fileRefs(task *specs.TaskSpec, n *node, at string) {
	taken := map[string]bool{}
	for _, m := range task.Mounts {
		taken[path.Clean(m.Target)] = true
	}
	task.Secrets = b.refs(specs.Secret, *task, n.get("secrets"), at+".secrets", taken)
	if task.Runtime == specs.RuntimeProcess {
		clear(taken) // each kind has a directory of its own
	}
	task.Configs = b.refs(specs.Config, *task, n.get("configs"), at+".configs", taken)
}

func (b *builder) refs(kind specs.FileKind, task specs.TaskSpec, list *node, at string, taken map[string]bool) (refs []specs.FileRef) {
	for _, item := range itemsOf(list) {
		here := item.path(at)
		ref, ok := b.ref(kind, task, item, here)
		if !ok {
			continue
		}
		there := ref.Target
		if i := slices.IndexFunc(refs, func(other specs.FileRef) bool { return nested(other.Target, ref.Target) }); i >= 0 {
			there = refs[i].Target
		}
		if taken[there] {
			b.to.problem(item.pos, here, fmt.Sprintf("something else of the service is at %s already: give it a target of its own", there))
			continue
		}
		if taken[ref.Target] = true; ref.Name != "" {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b specs.FileRef) int { return strings.Compare(a.Target, b.Target) })
	return refs
}

// ref reads one reference. It has no name if what it refers to cannot be used.
func (b *builder) ref(kind specs.FileKind, task specs.TaskSpec, n *node, at string) (ref specs.FileRef, ok bool) {
	source, target := n.get("source"), n.get("target")
	switch {
	case n.wasLost("source"), n.wasLost("target"):
		return ref, false
	case source == nil:
		b.to.problem(n.pos, at, "needs a source")
		return ref, false
	case !b.defined(string(kind)+"s", source, at):
		return ref, false
	}
	object := b.files[fileKey{kind, source.value}]
	ref = specs.FileRef{
		Name: object.Name, Template: object.Template,
		Target: task.FileTarget(kind, cmp.Or(target.text(), source.value)),
		UID:    b.owner(task.Runtime, n.get("uid"), at+".uid"), GID: b.owner(task.Runtime, n.get("gid"), at+".gid"),
		Mode: b.fileMode(n.get("mode"), at+".mode"),
	}
	wrong := wrongTarget(kind, task, ref.Target)
	switch {
	case wrong == "":
		return ref, true
	case target != nil:
		n, at = target, at+".target"
	}
	b.to.problem(n.pos, at, wrong)
	return ref, false
}

// nested reports whether one of two files would be a directory of the other's.
func nested(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) < len(b) && b[len(a)] == '/' && strings.HasPrefix(b, a)
}

// wrongTarget says why a task cannot have its file at a target, if it cannot. A
// process sees its node's own files, where nothing can be put.
func wrongTarget(kind specs.FileKind, task specs.TaskSpec, target string) string {
	switch {
	case task.Runtime == specs.RuntimeProcess && (target == "." || !filepath.IsLocal(target)):
		return fmt.Sprintf("must be a path below $%s, where a process has its %ss, got %s", kind.Variable(), kind, quote(target))
	case target == "/", target == task.FileTarget(kind, "."):
		return "must be the path of a file, not of a folder, got " + quote(target)
	}
	return ""
}

// owner is the number of a user or a group: names are known in the image only. Root
// is who has a container's files anyway.
func (b *builder) owner(runtime string, n *node, at string) *uint32 {
	if n == nil {
		return nil
	}
	id, err := strconv.ParseUint(n.value, 10, 31)
	if err != nil {
		b.to.problem(n.pos, at, `must be a number such as "1000", in quotes`+got(n, at))
	}
	if id == 0 && runtime != specs.RuntimeProcess {
		return nil
	}
	return new(uint32(id))
}

func (b *builder) fileMode(n *node, at string) *uint32 {
	if n == nil {
		return nil
	}
	mode := n.int()
	if n.kind != integer || mode < 0 || mode > maxFileMode {
		b.to.problem(n.pos, at, "must be from 0 to 0777, written with a leading 0 such as 0440"+got(n, at))
		return nil
	}
	if meant, err := strconv.ParseInt(n.value, 8, 64); err == nil && meant != mode {
		b.to.warn(n.pos, at, fmt.Sprintf("%[1]s is 0%[2]o, as with Swarm: write 0%[1]s if that is meant", n.value, mode))
	}
	if mode == specs.DefaultFileMode {
		return nil
	}
	bits := uint32(mode)
	return &bits
}

// usedFiles are the secrets and configs that tasks of the stack refer to.
func (b *builder) usedFiles() (used []specs.StackFile) {
	names := map[fileKey]bool{} // in the cluster
	for _, task := range b.out.Tasks {
		for kind, ref := range task.FileRefs {
			names[fileKey{kind, ref.Name}] = true
		}
	}
	for key, object := range b.files {
		if names[fileKey{key.kind, object.Name}] {
			used = append(used, object)
		}
	}
	slices.SortFunc(used, func(x, y specs.StackFile) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Key, y.Key))
	})
	return used
}
