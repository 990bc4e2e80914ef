package planner

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// Comparison is how two trees differ in what they ask for, whatever runs. Its
// JSON form is what `swarmgit diff -o json` prints.
type Comparison struct {
	Format   int             `json:"format"`
	Old      string          `json:"old"` // what is compared, in words
	New      string          `json:"new"`
	Stacks   int             `json:"stacks"`             // of both trees together
	Services []Entry         `json:"services"`           // that differ, by stack; rolling: their tasks would be replaced
	Warnings []specs.Problem `json:"warnings,omitempty"` // what is not looked at, in the new tree
}

// Compare tells which services the new stacks ask for otherwise than the old
// ones. Values that may be secret are hashed under key.
func Compare(old, new []specs.Stack, key []byte) Comparison {
	c := Comparison{Format: Format, Services: []Entry{}}
	before, after := versions(old), versions(new)
	names := make(map[string]bool)
	for _, stack := range slices.Concat(old, new) {
		names[stack.Name] = true
	}
	c.Stacks = len(names)
	for name := range both(before, after) {
		if e, differs := compareService(before, after, name, redactor{key}); differs {
			c.Services = append(c.Services, e)
		}
	}
	slices.SortFunc(c.Services, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(rank[a.Action], rank[b.Action]), cmp.Compare(a.Service, b.Service))
	})
	hintRenames(c.Services, tasksOf(old), tasksOf(new))
	return c
}

// placed is a version of a service and where it was written.
type placed struct {
	version
	origins specs.Origins
}

func versions(stacks []specs.Stack) map[string]placed {
	all := make(map[string]placed)
	for _, stack := range stacks {
		for _, spec := range stack.Services {
			all[spec.Name] = placed{version{rules: spec, task: stack.Tasks[spec.Task]}, stack.Origins}
		}
	}
	return all
}

func both(a, b map[string]placed) map[string]bool {
	names := make(map[string]bool)
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	return names
}

func compareService(before, after map[string]placed, name string, redact redactor) (Entry, bool) {
	old, had := before[name]
	new, has := after[name]
	var e Entry
	at := new
	switch {
	case !has:
		e, at = Entry{Action: Remove}, old
	case !had:
		e = Entry{Action: Create}
	case sameSpec(old.rules, new.rules):
		return Entry{}, false
	default:
		e = changed(old.version, new.version, new.origins, redact)
	}
	e.Service, e.Stack, e.Global = name, at.rules.Stack, at.rules.Mode == specs.Global
	e.Wanted = at.rules.WantedReplicas()
	e.At, _ = at.origins.Find("services." + at.rules.ShortName())
	return e, true
}

// Text writes the comparison for people: how much differs, then stack by stack.
func (c Comparison) Text(w io.Writer, o TextOptions) error {
	p := Plan{Services: c.Services}
	pg := page{width: cmp.Or(o.Width, 80), color: o.Color, labels: p.labelWidth()}
	c.head(&pg)
	stack, names := "", p.nameWidth()
	for _, e := range c.Services {
		if e.Stack != stack {
			pg.line("\n" + printable(e.Stack))
			stack = e.Stack
		}
		e.difference(&pg, names)
	}
	pg.problems('!', c.Warnings)
	_, err := io.WriteString(w, pg.String())
	return err
}

// head says how much differs.
func (c Comparison) head(pg *page) {
	if len(c.Services) == 0 {
		pg.wrapped("", "", pg.paint(green, "SAME")+": "+printable(c.New)+" asks for what "+printable(c.Old)+" asks for")
		return
	}
	counts := make(map[Action]int)
	stacks := make(map[string]bool)
	for _, e := range c.Services {
		counts[e.Action]++
		stacks[e.Stack] = true
	}
	pg.wrapped("", "", fmt.Sprintf("%s against %s: %d of %s", printable(c.New), printable(c.Old), len(stacks), count(c.Stacks, "stack")))
	pg.line(fmt.Sprintf("  restart %d   in place %d   new %d   removed %d", counts[Rolling], counts[InPlace], counts[Create], counts[Remove]))
}

// difference writes one service that differs.
func (e Entry) difference(pg *page, names int) {
	head := map[Action]string{Rolling: "its tasks are replaced", InPlace: "in place, no restart", Remove: "removed"}[e.Action]
	if e.Action == Create {
		head = e.headline()
		if e.Global {
			head = "new, global"
		}
	}
	begin := pad("  ? "+printable(e.Service), 4+names) + "   "
	lines := hang(begin, head, pg.width)
	if e.Action == Create || e.Action == Remove {
		lines = pg.placed(lines, where(e.At))
	}
	lines[0] = strings.Replace(lines[0], "?", pg.mark(marks[e.Action]), 1)
	for _, line := range lines {
		pg.line(line)
	}
	e.fields(pg)
}
