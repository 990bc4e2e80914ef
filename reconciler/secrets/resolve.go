// Package secrets is what a manager does with secrets and configs: it finds the
// version of each that a stack's tasks refer to, seals what is stored of a
// secret, and opens what was encrypted for the cluster by age. It serves the
// push, the plan, the API and the dispatcher; it stores nothing itself.
//
// # Where a content comes from and goes
//
//	file in the repository ----------.
//	*.age in the repository -decrypt-+-> Payload{version, sealed} -> store
//	swarmgit secret create ----------'      `-> FileRef.Version in the task spec
//	store -Content-> dispatcher -> the node of a task that refers to it
//
// # Decisions
//
// A version is made of the content alone, so the same secret encrypted anew
// restarts nothing. That of a secret is an HMAC under a key of the cluster: it
// stands in task specs, plans and API answers, where a plain hash could be
// guessed from.
//
// The key that seals lies in the store too. Sealing keeps secrets out of what is
// read by accident, a dump or a log of Raft's; it does not keep them from who
// has a manager's whole disk. The README says so.
package secrets

import (
	"fmt"
	"maps"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
	"github.com/swarmgit/swarmgit/specs/template"
)

// maxContent is more than any secret or config may hold, in bytes.
const maxContent = 1 << 20

// Resolve gives every reference to a secret or config its version, as the stacks'
// files and the cluster have it, and with that the services their task specs. The
// stacks that are given stay as they are. A stack with a problem is returned
// without the references that it is about.
func Resolve(present store.Snapshot, stacks []specs.Stack) ([]specs.Stack, []specs.Problem) {
	r := resolution{present: present, keys: KeysOf(present.Cluster())}
	resolved := make([]specs.Stack, len(stacks))
	for i, stack := range stacks {
		resolved[i] = stack
		if len(stack.Files) > 0 {
			resolved[i] = r.stack(stack)
		}
	}
	return resolved, r.problems
}

// resolution is Resolve at work.
type resolution struct {
	present  store.Snapshot
	keys     Keys
	problems []specs.Problem
}

// found is one secret or config that a stack uses.
type found struct {
	version  specs.Hash
	template string
	file     string
}

type name struct {
	kind specs.FileKind
	name string
}

func (r *resolution) stack(stack specs.Stack) specs.Stack {
	stack.Payloads = map[specs.Hash]specs.Payload{}
	known := map[name]found{}
	for _, f := range stack.Files {
		if one, ok := r.find(stack, f); ok {
			known[name{f.Kind, f.Name}] = one
		}
	}
	tasks, origins := stack.Tasks, maps.Clone(stack.Origins)
	stack.Services = append([]specs.ServiceSpec(nil), stack.Services...)
	stack.Tasks, stack.Origins = map[specs.Hash]specs.TaskSpec{}, origins
	for i, service := range stack.Services {
		task := tasks[service.Task]
		at := "services." + service.Name[len(stack.Name)+1:]
		task.Secrets = refs(specs.Secret, task.Secrets, known, at+".secrets.", origins)
		task.Configs = refs(specs.Config, task.Configs, known, at+".configs.", origins)
		stack.Services[i].Task = encoding.HashTaskSpec(task)
		stack.Tasks[stack.Services[i].Task] = task
	}
	return stack
}

// refs are the references with their versions. The place of each is the file that
// it comes from, if there is one.
func refs(kind specs.FileKind, list []specs.FileRef, known map[name]found, at string, origins specs.Origins) []specs.FileRef {
	var out []specs.FileRef
	for _, ref := range list {
		one, ok := known[name{kind, ref.Name}]
		if !ok {
			continue
		}
		if ref.Version, ref.Template = one.version, one.template; one.file != "" {
			origins[at+ref.Target] = specs.Position{File: one.file}
		}
		out = append(out, ref)
	}
	return out
}

func (r *resolution) find(stack specs.Stack, f specs.StackFile) (found, bool) {
	path := string(f.Kind) + "s." + f.Key
	pos, _ := stack.Origins.Find(path)
	refuse := func(format string, args ...any) (found, bool) {
		r.problems = append(r.problems, specs.Problem{Position: pos, Path: path, Message: fmt.Sprintf(format, args...)})
		return found{}, false
	}
	if f.External {
		row, ok := r.present.External(f.Kind, f.Name)
		if !ok {
			return refuse("the cluster has no %[1]s %[2]s: swarmgit %[1]s create %[2]s FILE", f.Kind, f.Name)
		}
		return found{version: row.Payload, template: row.Template}, true
	}
	content := f.Data
	if f.Encrypted {
		var err error
		if content, err = r.keys.decrypt(f.Data, maxContent); err != nil {
			return refuse("%s %v", f.File, err)
		}
		if wrong := f.Kind.WrongSize(len(content)); wrong != "" {
			return refuse("%s %s", f.File, wrong)
		}
		if f.Template != "" && template.CheckPayload(string(content)) != nil {
			// What the mistake is might show what is encrypted.
			return refuse("%s holds a template with a mistake: look at it decrypted", f.File)
		}
	}
	payload := r.keys.Payload(f.Kind, content)
	stack.Payloads[payload.Version] = payload
	return found{payload.Version, f.Template, f.File}, true
}
