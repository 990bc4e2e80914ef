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
	d := differ{service: "services." + new.rules.ShortName() + ".", origins: origins, redact: redact}
	d.leaves(taskLeaves(old.task), taskLeaves(new.task), true)
	if len(d.fields) == 0 && old.rules.Task != new.rules.Task {
		f := Field{Name: "task spec", Restarts: true} // equal in all that is told and still another task: it is replaced
		f.Old, f.New = redact.pair(secret, string(old.rules.Task), string(new.rules.Task))
		d.fields = append(d.fields, f)
	}
	d.leaves(ruleLeaves(old.rules), ruleLeaves(new.rules), false)
	slices.SortFunc(d.fields, func(a, b Field) int {
		return cmp.Or(compareBool(b.Restarts, a.Restarts), a.At.Compare(b.At), cmp.Compare(a.Name, b.Name))
	})
	return d.fields
}

// differ is diff at work.
type differ struct {
	service string // the path of the service in its stack file, with a dot
	origins specs.Origins
	redact  redactor
	fields  []Field
}

func (d *differ) leaves(old, new map[string]leaf, restarts bool) {
	both := maps.Clone(old)
	maps.Copy(both, new)
	for name, l := range both {
		was, had := old[name]
		is, has := new[name]
		if had == has && was.value == is.value {
			continue
		}
		f := Field{Name: name, Restarts: restarts}
		f.Old, f.New = d.redact.pair(l, written(was.value, had), written(is.value, has))
		f.At, _ = d.origins.Find(d.service + l.path)
		d.fields = append(d.fields, f)
	}
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
