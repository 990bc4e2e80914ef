package planner

import (
	"fmt"
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
	e.fields(pg)
	if e.Resumes != "" {
		pg.field("paused by", printable(e.Resumes), "")
	}
	if text := e.expected(); text != "" {
		pg.field("expected", text, "")
	}
	for _, w := range e.Pending {
		pg.field("pending", w.text(len(e.Pending) == 1 && w.size() == int(e.Wanted)), "")
	}
}

// fields writes what changes in the service.
func (e Entry) fields(pg *page) {
	mixed := e.mixed()
	for _, f := range e.Fields {
		value := f.text()
		if mixed && !f.Restarts {
			value += " (in place)"
		}
		pg.field(printable(f.Name), value, where(f.At))
	}
}

// headline says what becomes of the service.
func (e Entry) headline() string {
	switch e.Action {
	case Create:
		head := "new, " + e.size()
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
	if e.Resumes != "" && !e.Totals.settledBesidesPending() {
		return "resumes: " + e.moves()
	}
	if e.Totals.Restart > 0 {
		return "in place; " + e.moves()
	}
	if e.Totals.Start > 0 && e.Totals.Stop > 0 { // it changes its mode
		return "new tasks instead of the old: " + e.moves()
	}
	if e.Totals.settledBesidesPending() {
		return "in place, no restart"
	}
	return "in place, no restart; " + e.moves()
}

// size is how many tasks a new service has.
func (e Entry) size() string {
	switch {
	case e.Global && e.Wanted == 0:
		return "global, no node takes a task now"
	case e.Global:
		return "global, a task on " + count(int(e.Wanted), "node")
	}
	return count(int(e.Wanted), "task")
}

func (e Entry) rolling() string {
	switch {
	case e.Totals.Restart == 0 && e.Resumes != "":
		return "resumes: " + e.moves() + ", nothing to restart"
	case e.Totals.Restart == 0:
		return "changed, nothing to restart; " + e.moves()
	}
	pace := fmt.Sprintf("%d at a time", e.Parallelism)
	if e.Parallelism == 0 || e.Parallelism >= e.Wanted && e.Wanted > 1 {
		pace = "all at once"
	}
	head := "rolling restart, "
	if e.Resumes != "" {
		head = "resumes: " + head
	}
	return head + pace + ", " + string(e.Order) + e.estimate()
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

// where is file:line, or nothing.
func where(p specs.Position) string {
	if p.File == "" {
		return ""
	}
	return printable(p.ShortString())
}
