package planner

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// given is the version of every file whose content is not compared.
const given specs.Hash = "given"

// withheld are the wanted stacks with what the present services have of secrets in
// the place of theirs: the plan is the same whether the person who wrote them
// guessed a secret or not. Files of which the present services have none are of the
// version given. The stacks that are passed stay as they are.
func withheld(present store.Snapshot, stacks []specs.Stack) []specs.Stack {
	stacks = slices.Clone(stacks)
	for i := range stacks {
		stack := &stacks[i]
		secret := map[specs.FileKind]map[string]bool{specs.Secret: {}, specs.Config: {}}
		for _, f := range stack.Files {
			secret[f.Kind][f.Name] = !f.External && (f.Kind == specs.Secret || f.Encrypted)
		}
		tasks := stack.Tasks
		stack.Services, stack.Tasks = slices.Clone(stack.Services), make(map[specs.Hash]specs.TaskSpec, len(tasks))
		stack.Payloads = maps.Clone(stack.Payloads)
		if stack.Payloads != nil {
			stack.Payloads[given] = specs.Payload{Kind: specs.Secret, Version: given}
		}
		for j, service := range stack.Services {
			now, _ := present.ServiceNamed(service.Name)
			was, _ := present.TaskSpec(now.Spec.Task)
			task := tasks[service.Task]
			task.Env = withheldEnv(task.Env, was.Env)
			task.Secrets = withheldFiles(task.Secrets, was.Secrets, secret[specs.Secret])
			task.Configs = withheldFiles(task.Configs, was.Configs, secret[specs.Config])
			task, service = withheldTexts(task, was), withheldTexts(service, now.Spec)
			service.Task = encoding.HashTaskSpec(task)
			stack.Services[j], stack.Tasks[service.Task] = service, task
		}
	}
	return stacks
}

func withheldFiles(refs, present []specs.FileRef, secret map[string]bool) []specs.FileRef {
	refs = slices.Clone(refs)
	for i := range refs {
		ref := &refs[i]
		if !secret[ref.Name] {
			continue
		}
		ref.Version = given
		if at := slices.IndexFunc(present, func(was specs.FileRef) bool { return was.Name == ref.Name }); at >= 0 {
			ref.Version = present[at].Version
		}
	}
	return refs
}

func withheldEnv(env, present []string) []string {
	was := make(map[string]string, len(present))
	for _, entry := range present {
		name, _, _ := strings.Cut(entry, "=")
		was[name] = entry
	}
	env = slices.Clone(env)
	for i, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if old, had := was[name]; had && (specs.SecretName(name) || blank(old) == blank(entry)) {
			env[i] = old
		}
	}
	return env
}

// withheldTexts gives a spec the texts of the present one that differ from its own
// in user info of URLs only.
func withheldTexts[T any](spec, present T) (out T) {
	data, err := json.Marshal(withheldTree(jsonTree(spec), jsonTree(present)))
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("%T as JSON: %v", spec, err)) // it was one a moment ago
	}
	return out
}

func withheldTree(value, present any) any {
	switch value := value.(type) {
	case string:
		if was, ok := present.(string); ok && blank(was) == blank(value) {
			return was
		}
	case []any:
		if was, ok := present.([]any); ok && len(was) == len(value) {
			for i := range value {
				value[i] = withheldTree(value[i], was[i])
			}
		}
	case map[string]any:
		was, _ := present.(map[string]any)
		for name := range value {
			value[name] = withheldTree(value[name], was[name])
		}
	}
	return value
}

// blank is a text without the user info of URLs.
func blank(text string) string { return redactor{}.hide(leaf{}, text, 0) }
