package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

var marks = map[Action]byte{Create: '+', Remove: '-', Rolling: '~', InPlace: '~', Same: '='}

// text writes one service: what becomes of it, why, and where its tasks go.
func (e Entry) text(pg *page, names int) {
	begin := pad("  ? "+printable(e.Service), 4+names) + "   "
	lines := hang(begin, e.headline(), pg.width)
	if e.Action == Create {
		lines = pg.placed(lines, where(e.At))
	}
	lines[0] = strings.Replace(lines[0], "?", pg.mark(marks[e.Action]), 1)
	for _, line := range lines {
		pg.line(line)
	}
	mixed := e.mixed()
	for _, f := range e.Fields {
		value := f.text()
		if mixed && !f.Restarts {
			value += " (in place)"
		}
		pg.field(printable(f.Name), value, where(f.At))
	}
	if text := e.expected(); text != "" {
		pg.field("expected", text, "")
	}
	for _, w := range e.Pending {
		pg.field("pending", w.text(len(e.Pending) == 1 && len(w.Slots) == int(e.Wanted)), "")
	}
}

// headline says what becomes of the service.
func (e Entry) headline() string {
	switch e.Action {
	case Create:
		head := "new, " + count(int(e.Wanted), "task")
		if e.RenamedFrom != "" {
			head += "; renamed? it is what " + e.RenamedFrom + " was"
		}
		return head
	case Remove:
		if e.Totals.Stop == 0 {
			return "removed, no task of it runs"
		}
		return "removed with its " + count(e.Totals.Stop, "task")
	case Rolling:
		return e.rolling()
	case Same:
		return "unchanged; " + e.moves()
	}
	if e.Totals.Restart > 0 {
		return "in place; " + e.moves()
	}
	if e.Totals.settledBesidesPending() {
		return "in place, no restart"
	}
	return "in place, no restart; " + e.moves()
}

func (e Entry) rolling() string {
	if e.Totals.Restart == 0 {
		return "changed, nothing to restart; " + e.moves()
	}
	pace := fmt.Sprintf("%d at a time", e.Parallelism)
	if e.Parallelism == 0 || e.Parallelism >= e.Wanted && e.Wanted > 1 {
		pace = "all at once"
	}
	return "rolling restart, " + pace + ", " + string(e.Order) + e.estimate()
}

func (e Entry) estimate() string {
	if e.Estimate == 0 {
		return ""
	}
	return "; estimated " + roughly(time.Duration(e.Estimate))
}

// roughly rounds a time to what an estimate can promise.
func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return strings.TrimSuffix(d.Round(time.Hour).String(), "0m0s")
}

// moves says what happens to the tasks of a service whose spec does not say so.
func (e Entry) moves() string {
	var words []string
	for _, m := range []struct {
		n    int
		verb string
	}{{e.Totals.Start, "starts"}, {e.Totals.Restart, "restarts"}, {e.Totals.Stop, "stops"}} {
		if m.n > 0 {
			words = append(words, fmt.Sprintf("%s %d", m.verb, m.n))
		}
	}
	if len(words) == 0 {
		return "waits"
	}
	return strings.Join(words, ", ")
}

func (t Totals) settledBesidesPending() bool { return t.Start+t.Restart+t.Stop == 0 }

// mixed reports that some fields force the restart and others do not.
func (e Entry) mixed() bool {
	forcing := 0
	for _, f := range e.Fields {
		if f.Restarts {
			forcing++
		}
	}
	return forcing > 0 && forcing < len(e.Fields)
}

// text is "old -> new".
func (f Field) text() string {
	old, new := valueOrNone(f.Old), valueOrNone(f.New)
	if f.Name == "image" {
		return imageText(old, new)
	}
	if strings.HasPrefix(old, "(") && strings.HasSuffix(new, ")") && f.Old != "" && f.New != "" &&
		!strings.ContainsAny(old+new, " /") {
		return "(" + strings.Trim(old, "()") + " -> " + strings.Trim(new, "()") + ")"
	}
	return old + " -> " + new
}

func valueOrNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return shortened(printable(value))
}

// imageText leaves out what both images share, and names a new digest on a line
// of its own.
func imageText(old, new string) string {
	oldName, _, _ := strings.Cut(old, "@")
	newName, digest, pinned := strings.Cut(new, "@")
	text := oldName + " -> " + newName
	repository, _, tagged := cutTag(oldName)
	if tag, ok := strings.CutPrefix(newName, repository+":"); ok && tagged && oldName != newName {
		text = oldName + " -> :" + tag
	}
	if pinned {
		text += "\nnow " + shortDigest(digest)
	}
	return text
}

// cutTag splits an image name at its tag, which is no port of a registry.
func cutTag(image string) (repository, tag string, ok bool) {
	i := strings.LastIndexByte(image, ':')
	if i < 0 || strings.Contains(image[i:], "/") {
		return image, "", false
	}
	return image[:i], image[i+1:], true
}

func shortDigest(digest string) string {
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) <= 8 {
		return digest
	}
	return algorithm + ":" + hex[:8]
}

// Placements are listed one by one up to these numbers, then counted by node.
const (
	maxNamedTasks = 3
	maxSlots      = 8
)

// expected says where the new tasks are expected to run.
func (e Entry) expected() string {
	switch n := len(e.Expected); {
	case n == 0:
		return ""
	case n <= maxNamedTasks && e.Expected[n-1].Batch == 0:
		return e.namedTasks()
	case n <= maxSlots:
		return e.batches()
	}
	return e.byNode()
}

// namedTasks is "shop_web.4 on n2, shop_web.5 on n3".
func (e Entry) namedTasks() string {
	var items []string
	for _, p := range e.Expected {
		items = append(items, fmt.Sprintf("%s.%d on %s", e.Service, p.Slot, p.Node))
	}
	return strings.Join(items, ", ")
}

// batches is ".1 .2 | .3 on n1 n2 | n3".
func (e Entry) batches() string {
	var slots, nodes strings.Builder
	for i, p := range e.Expected {
		if i > 0 && p.Batch != e.Expected[i-1].Batch {
			slots.WriteString(" |")
			nodes.WriteString(" |")
		}
		fmt.Fprintf(&slots, " .%d", p.Slot)
		nodes.WriteString(" " + p.Node)
	}
	return slots.String()[1:] + " on" + nodes.String()
}

// byNode is "n1 x4, n2 x3".
func (e Entry) byNode() string {
	counts := make(map[string]int)
	for _, p := range e.Expected {
		counts[p.Node]++
	}
	var items []string
	for _, node := range slices.Sorted(maps.Keys(counts)) {
		items = append(items, fmt.Sprintf("%s x%d", node, counts[node]))
	}
	if len(items) > maxSlots {
		items = append(items[:maxSlots-1], fmt.Sprintf("%d more nodes", len(items)-maxSlots+1))
	}
	return strings.Join(items, ", ")
}

// text is the reason, with the slots unless all wait for it.
func (w Waiting) text(all bool) string {
	switch {
	case all:
		return w.Reason
	case len(w.Slots) > maxSlots:
		return fmt.Sprintf("%d tasks: %s", len(w.Slots), w.Reason)
	}
	var slots []string
	for _, s := range w.Slots {
		slots = append(slots, fmt.Sprintf(".%d", s))
	}
	return strings.Join(slots, " ") + ": " + w.Reason
}

// where is file:line, or nothing.
func where(p specs.Position) string {
	if p.File == "" {
		return ""
	}
	return printable(p.ShortString())
}
