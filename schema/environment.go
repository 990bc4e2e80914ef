package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// environment is that of the env files, in their order, and over it that of the
// service itself, as K=V sorted by K.
func (b *builder) environment(n *node, path string) []string {
	env := b.envFiles(n, path)
	if own := n.get("environment"); own != nil {
		for _, f := range own.fields {
			here := path + ".environment." + f.key
			if f.key == "" || strings.ContainsAny(f.key, "=") {
				b.to.problem(f.pos, path+".environment", "a variable's name must not be empty or have a =")
				continue
			}
			if value, ok := b.variable(f.key, f.value, here); ok {
				b.checkTemplate(f.value.pos, here, value)
				env[f.key] = value
			}
		}
	}
	out := make([]string, 0, len(env))
	for _, key := range slices.Sorted(maps.Keys(env)) {
		out = append(out, key+"="+env[key])
	}
	return nonEmpty(out)
}

// variable is the value of one variable of a task. One without a value has that
// of .env, where Swarm would take it from who deploys.
func (b *builder) variable(name string, n *node, path string) (string, bool) {
	if n.kind == null {
		value, set := b.vars.values[name]
		if !set {
			b.to.warn(n.pos, path, "has no value here nor in .env: left out")
		}
		return value, set
	}
	return b.pairValue(n, path), true
}

// nonEmpty makes nil of an empty list, so that both have one hash.
func nonEmpty(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

// maxGiven is how many variables env files may give all services of a stack before
// no more are read: each costs some microseconds and 200 bytes.
const maxGiven = 200_000

// envFiles are the variables of a service's env files; a later file counts more.
func (b *builder) envFiles(n *node, path string) map[string]string {
	env := map[string]string{}
	for _, item := range itemsOf(n.get("env_file")) {
		here := item.path(path + ".env_file")
		if b.given > maxGiven {
			b.to.problem(item.pos, here, fmt.Sprintf("not read: env files give the services of this stack more than %d variables already: use smaller ones", maxGiven))
			return env
		}
		file, data, ok := b.readBeside(item, here)
		if !ok {
			continue
		}
		lines := envLines(file, data, b.to)
		b.given += len(lines)
		for _, v := range lines {
			value, set := v.value, v.hasValue
			if !set {
				value, set = b.vars.values[v.name]
			}
			if !set {
				b.to.warn(v.pos, "", v.name+" has no value here nor in .env: left out")
				continue
			}
			env[v.name] = value
			b.checkTemplate(v.pos, "", value)
			if n.get("environment").get(v.name) == nil {
				b.out.Origins[path+".environment."+v.name] = v.pos
			}
		}
	}
	return env
}
