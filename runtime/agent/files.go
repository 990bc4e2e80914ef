package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/secrets"
	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/template"
)

// ready is the task as its executor gets it: its templates expanded, its secrets
// and configs in this node's memory. It waits for a manager that has them.
func (d *driver) ready(ctx context.Context) (executor.Task, error) {
	t := d.task
	refs := refsOf(t.Spec)
	if len(refs) == 0 && !template.Templated(t.Spec) {
		return t, nil
	}
	where, err := d.crew.where(ctx, t, d.labels)
	if err != nil {
		return t, err
	}
	if t.Spec, err = template.ExpandSpec(t.Spec, where); err != nil || len(refs) == 0 {
		return t, err
	}
	dir, there := d.crew.files.Find(t.ID)
	if !there {
		if dir, err = d.crew.files.Room(t.ID); err != nil {
			return t, err
		}
	}
	t.Spec = told(t.Spec, dir)
	if !there {
		d.hear(ctx, task.Began{})
		d.hear(ctx, task.Progress{Words: "waiting for its secrets and configs from a manager"})
		contents, err := d.crew.contents(ctx, t, refs, where)
		if err != nil {
			return t, err
		}
		if err := d.crew.files.Write(dir, contents); err != nil {
			return t, err
		}
	}
	t.FilesDir = dir
	for i, ref := range refs {
		t.Files = append(t.Files, executor.File{
			Source: filepath.Join(dir, ref.path(t.Spec, i)), Target: ref.Target, UID: ref.UID, GID: ref.GID, Mode: ref.Permissions(),
		})
	}
	return t, nil
}

// reference is a secret or config of a task.
type reference struct {
	kind specs.FileKind
	specs.FileRef
}

func refsOf(spec specs.TaskSpec) (refs []reference) {
	for kind, ref := range spec.FileRefs {
		refs = append(refs, reference{kind, ref})
	}
	return refs
}

// path is where the file of a task lies in the task's directory, as the i-th of
// all: a process has it there, a container elsewhere.
func (r reference) path(spec specs.TaskSpec, i int) string {
	if spec.Runtime == specs.RuntimeProcess {
		return filepath.Join(folder(r.kind), r.Target)
	}
	return strconv.Itoa(i)
}

// folder is where the files of a kind lie in the directory of a process's files.
func folder(kind specs.FileKind) string { return string(kind) + "s" }

// told is the spec of a process with the variables that say where its files are.
// One that it sets itself, or wants to be without, stays as it is.
func told(spec specs.TaskSpec, dir string) specs.TaskSpec {
	if spec.Runtime != specs.RuntimeProcess {
		return spec
	}
	env := slices.Clone(spec.Env)
	for kind := range spec.FileRefs {
		name := kind.Variable()
		if !slices.ContainsFunc(env, func(entry string) bool { return entry == name || strings.HasPrefix(entry, name+"=") }) {
			env = append(env, name+"="+filepath.Join(dir, folder(kind)))
		}
	}
	spec.Env = env
	return spec
}

// where is what templates can say of the task.
func (c *crew) where(ctx context.Context, t executor.Task, labels map[string]string) (w template.Context, err error) {
	node, err := c.describe(ctx)
	if err != nil {
		return w, fmt.Errorf("describe this node: %w", err)
	}
	w.Service.ID, w.Service.Name, w.Service.Labels = t.ServiceID, t.ServiceName, template.Labels(t.Stack, labels)
	w.Node.ID, w.Node.Hostname = c.nodeID, node.Hostname
	w.Node.Platform.OS, w.Node.Platform.Architecture = node.OS, node.Arch
	w.Task.ID, w.Task.Name, w.Task.Slot = t.ID, t.Name, c.nodeID
	if t.Slot != 0 {
		w.Task.Slot = fmt.Sprint(t.Slot)
	}
	return w, nil
}

// contents are the files of a task, from a manager, with their templates expanded.
func (c *crew) contents(ctx context.Context, t executor.Task, refs []reference, where template.Context) ([]secrets.File, error) {
	raw := make([][]byte, len(refs))
	files := make([]secrets.File, len(refs))
	for i, ref := range refs {
		content, err := c.desk.content(ctx, t.ID, ref.Version)
		if err != nil {
			return nil, fmt.Errorf("get %s %s: %w", ref.kind, ref.Name, err)
		}
		raw[i] = content
		files[i] = secrets.File{Path: ref.path(t.Spec, i), Content: content, UID: ref.UID, GID: ref.GID, Mode: ref.Permissions()}
	}
	for i, ref := range refs {
		if ref.Template == "" {
			continue
		}
		text, err := template.ExpandPayload(string(raw[i]), where, named(t.Spec, refs, raw))
		if err != nil {
			return nil, fmt.Errorf("expand the template of %s %s: %w", ref.kind, ref.Name, err)
		}
		files[i].Content = []byte(text)
	}
	return files, nil
}

// named are what a payload's functions give: what the task itself has.
func named(spec specs.TaskSpec, refs []reference, raw [][]byte) template.Files {
	file := func(kind specs.FileKind) func(string) (string, error) {
		return func(name string) (string, error) {
			target := spec.FileTarget(kind, name)
			for i, ref := range refs {
				if ref.kind == kind && ref.Target == target {
					return string(raw[i]), nil
				}
			}
			return "", fmt.Errorf("the service has no %s at %s", kind, target)
		}
	}
	return template.Files{
		Secret: file(specs.Secret), Config: file(specs.Config),
		Env: func(name string) (string, error) {
			for _, entry := range spec.Env {
				if value, ok := strings.CutPrefix(entry, name+"="); ok {
					return value, nil
				}
			}
			return "", fmt.Errorf("the service has no variable %s", name)
		},
	}
}
