package planner

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// A spec is compared field by field over its JSON form, so that no field that
// specs learns can be forgotten here: what restarts a service is always told.

// leaf is one field of a spec: its name for people, where a stack file says it
// below the service, and its value in one line.
type leaf struct {
	name  string
	path  string
	value string
	env   bool // an environment variable
}

// renamed are the JSON names of task spec and service spec that a stack file
// spells otherwise.
var renamed = []struct{ json, path string }{
	{"limits.", "deploy.resources.limits."},
	{"reservations.", "deploy.resources.reservations."},
	{"groups", "group_add"},
	{"host_ports", "ports"},
}

var renamedRules = []struct{ json, path string }{
	{"placement.max_replicas", "deploy.placement.max_replicas_per_node"},
	{"restart.", "deploy.restart_policy."},
	{"update.", "deploy.update_config."},
	{"rollback.", "deploy.rollback_config."},
	{"require_digest", "x-swarmgit.require_digest"},
	{"", "deploy."},
}

// taskLeaves are the fields whose change replaces tasks.
func taskLeaves(spec specs.TaskSpec) map[string]leaf {
	tree := jsonTree(spec)
	leaves := make(map[string]leaf)
	put := func(l leaf) { leaves[l.name] = l }
	for _, env := range spec.Env {
		name, value, set := strings.Cut(env, "=")
		if !set {
			value = "(unset)"
		}
		put(leaf{name: "env " + name, path: "environment." + name, value: value, env: true})
	}
	for _, m := range spec.Mounts {
		put(leaf{name: "volume " + m.Target, path: "volumes", value: mountText(m)})
	}
	if check := spec.Healthcheck; check != nil {
		put(leaf{name: "healthcheck", path: "healthcheck", value: valueText("", jsonTree(check))})
	}
	for kind, ref := range spec.FileRefs {
		put(leaf{name: string(kind) + " " + ref.Target, path: string(kind) + "s." + ref.Target, value: fileText(ref)})
	}
	for _, key := range []string{"env", "mounts", "healthcheck", "secrets", "configs"} {
		delete(tree, key)
	}
	flatten("", tree, func(name string, value any) {
		path := rename(name, renamed)
		put(leaf{name: strings.TrimPrefix(path, "deploy.resources."), path: path, value: valueText(name, value)})
	})
	return leaves
}

// ruleLeaves are the fields whose change replaces nothing.
func ruleLeaves(spec specs.ServiceSpec) map[string]leaf {
	tree := jsonTree(spec)
	delete(tree, "task")  // told by its own fields,
	delete(tree, "image") // and among them this one
	leaves := make(map[string]leaf)
	flatten("", tree, func(name string, value any) {
		path, text := rename(name, renamedRules), valueText(name, value)
		name = strings.TrimPrefix(strings.TrimPrefix(path, "deploy."), "placement.")
		leaves[name] = leaf{name: name, path: path, value: text}
	})
	return leaves
}

func rename(name string, table []struct{ json, path string }) string {
	for _, r := range table {
		if rest, ok := strings.CutPrefix(name, r.json); ok {
			return r.path + rest
		}
	}
	return name
}

// flatten visits the leaves of a JSON object; a list is one leaf.
func flatten(prefix string, tree map[string]any, visit func(name string, value any)) {
	for name, value := range tree {
		if sub, ok := value.(map[string]any); ok {
			flatten(prefix+name+".", sub, visit)
		} else {
			visit(prefix+name, value)
		}
	}
}

func jsonTree(spec any) map[string]any {
	data, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", spec, err)) // plain values always encode
	}
	var tree map[string]any
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		panic(fmt.Sprintf("decode %T: %v", spec, err))
	}
	return tree
}

// valueText writes a JSON value as a person would.
func valueText(name string, value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		if strings.HasSuffix(name, "max_failure_ratio") {
			return ratioText(v)
		}
		return v.String()
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = valueText(name, item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, key+"="+valueText(key, v[key]))
		}
		return strings.Join(items, " ")
	}
	return fmt.Sprint(value)
}

func ratioText(millionths json.Number) string {
	n, _ := millionths.Int64()
	return strconv.FormatFloat(float64(n)/float64(specs.RatioOne), 'f', -1, 64)
}

// fileText writes a reference to a secret or a config without its target, which
// names it.
func fileText(ref specs.FileRef) string {
	words := []string{ref.Name, ref.Version.Short()}
	if ref.Mode != nil {
		words = append(words, fmt.Sprintf("mode=%04o", *ref.Mode))
	}
	if ref.UID != nil {
		words = append(words, fmt.Sprintf("uid=%d", *ref.UID))
	}
	if ref.GID != nil {
		words = append(words, fmt.Sprintf("gid=%d", *ref.GID))
	}
	if ref.Template != "" {
		words = append(words, "template")
	}
	return strings.Join(words, " ")
}

// mountText writes a mount without its target, which names it.
func mountText(m specs.Mount) string {
	tree := jsonTree(m)
	words := []string{string(m.Type)}
	if m.Source != "" {
		words = append(words, m.Source)
	}
	for _, key := range []string{"type", "source", "target"} {
		delete(tree, key)
	}
	if len(tree) > 0 {
		words = append(words, valueText("", tree))
	}
	return strings.Join(words, " ")
}
