package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// Templated reports whether anything of a task depends on where it runs.
func Templated(spec specs.TaskSpec) bool {
	for _, ref := range spec.FileRefs {
		if ref.Template != "" {
			return true
		}
	}
	return In(spec.Hostname) || slices.ContainsFunc(spec.Env, In) ||
		slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool { return In(m.Source) || In(m.Target) })
}

// ExpandSpec is the spec with its host name, the values of its variables, and the
// sources and targets of its mounts for one task. The spec itself stays as it
// is. An error says which of them it is about.
func ExpandSpec(spec specs.TaskSpec, c Context) (specs.TaskSpec, error) {
	var err error
	expand := func(what string, text *string) {
		if err != nil {
			return
		}
		if *text, err = Expand(*text, c); err != nil {
			err = fmt.Errorf("expand %s: %w", what, err)
		}
	}
	expand("the host name", &spec.Hostname)
	spec.Env = slices.Clone(spec.Env)
	for i, entry := range spec.Env {
		name, value, set := strings.Cut(entry, "=")
		if expand("the variable "+name, &value); set {
			spec.Env[i] = name + "=" + value
		}
	}
	spec.Mounts = slices.Clone(spec.Mounts)
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		what, written := "the mount on "+m.Target, m.Source
		expand(what, &m.Source)
		expand(what, &m.Target)
		if err == nil && In(written) && specs.HoldsEngineSocket(m.Source) {
			err = fmt.Errorf("expand %s: its source is %s, the socket of a container engine or its folder: no template may lead there", what, m.Source)
		}
	}
	return spec, err
}

// Labels are the labels of a stack's service as templates see them: with the one
// that Swarm adds.
func Labels(stack string, labels map[string]string) map[string]string {
	all := map[string]string{"com.docker.stack.namespace": stack}
	maps.Copy(all, labels)
	return all
}
