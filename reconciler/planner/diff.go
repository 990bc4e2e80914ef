package planner

import (
	"cmp"
	"maps"
	"slices"

	"github.com/swarmgit/swarmgit/specs"
)

// version is one state of a service's spec with the task spec it refers to.
type version struct {
	rules specs.ServiceSpec
	task  specs.TaskSpec
}

// diff lists the fields in which two versions differ, what forces a restart
// first, then by place and name.
func diff(old, new version, origins specs.Origins, redact redactor) []Field {
	fields := slices.Concat(
		diffLeaves(taskLeaves(old.task), taskLeaves(new.task), redact),
		diffLeaves(ruleLeaves(old.rules), ruleLeaves(new.rules), redact),
	)
	service := "services." + shortName(new.rules) + "."
	for i := range fields {
		fields[i].At, _ = origins.Find(service + fields[i].path)
	}
	slices.SortFunc(fields, func(a, b Field) int {
		return cmp.Or(compareBool(b.Restarts, a.Restarts), a.At.Compare(b.At), cmp.Compare(a.Name, b.Name))
	})
	return fields
}

func diffLeaves(old, new map[string]leaf, redact redactor) []Field {
	both := maps.Clone(old)
	maps.Copy(both, new)
	var fields []Field
	for name, l := range both {
		was, had := old[name]
		is, has := new[name]
		if had == has && was.value == is.value {
			continue
		}
		f := Field{Name: name, Restarts: l.restarts, path: l.path}
		f.Old, f.New = redact.pair(l, written(was.value, had), written(is.value, has))
		fields = append(fields, f)
	}
	return fields
}

// written tells a value that is there and empty from one that is not there.
func written(value string, there bool) string {
	if there && value == "" {
		return `""`
	}
	return value
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
