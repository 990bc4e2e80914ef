package planner

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// TextOptions are the terminal's.
type TextOptions struct {
	Width int  // columns; 0 is 80. A push has 72 after "remote: "
	Color bool // marks and verdict in ANSI colours
}

// Text writes the plan for people: verdict, totals, refusals, services,
// warnings. A plan of nothing to do is one line, unless something is paused.
func (p Plan) Text(w io.Writer, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 80
	}
	pg := page{width: o.Width, color: o.Color, labels: p.labelWidth()}
	p.head(&pg)
	pg.problems('x', p.Refusals)
	pg.problems('x', p.Approvals)
	p.services(&pg)
	p.standstills(&pg)
	pg.problems('!', p.Warnings)
	if p.LeftOut > 0 {
		pg.line("\n  " + p.rest())
	}
	_, err := io.WriteString(w, pg.String())
	return err
}

func (p Plan) head(pg *page) {
	if p.Verdict == NoChanges && p.Totals.settled() && len(p.Paused)+p.Beyond == 0 {
		pg.line(pg.paint(green, string(NoChanges)) + ": the cluster is what " + p.wanted() + " asks for, " +
			count(p.Totals.Untouched, "task") + " running")
		p.withheld(pg)
		return
	}
	pg.line("Plan " + printable(p.Title) + ": " + pg.paint(p.Verdict.color(), string(p.Verdict)))
	if !p.Invalid {
		pg.line("  " + p.Totals.String())
	}
	if p.Verdict == NoChanges {
		state := " asks for and is on its way"
		if len(p.Paused) > 0 {
			state = " asks for, but stays paused on its way"
		}
		pg.wrapped("  ", "  ", "the cluster has been told to be what "+p.wanted()+state)
	}
	p.withheld(pg)
}

func (p Plan) withheld(pg *page) {
	if p.Withheld {
		pg.wrapped("  ", "  ", notCompared)
	}
}

// notCompared is what a plan says that tells nothing of secrets.
const notCompared = "what secrets hold is not compared: who may only view could check guesses"

// standstills names what stays paused.
func (p Plan) standstills(pg *page) {
	if len(p.Paused) > 0 {
		pg.line("")
	}
	for _, s := range p.Paused {
		pg.wrapped("  "+pg.mark('!')+" ", "    ", s.String())
	}
}

// String is "shop_web stays paused with 3 of 4 tasks running, 3 of an older spec: why".
func (s Standstill) String() string {
	text := fmt.Sprintf("%s stays paused with %d of %s running", printable(s.Service), s.Running, count(int(s.Wanted), "task"))
	if s.Old > 0 {
		text += fmt.Sprintf(", %d of an older spec", s.Old)
	}
	return text + ": " + printable(s.Reason)
}

// wanted names what the plan is of.
func (p Plan) wanted() string {
	switch {
	case p.Revision != "":
		return shortCommit(p.Revision)
	case p.Base != "":
		return shortCommit(p.Base)
	}
	return "the working tree"
}

func (p Plan) services(pg *page) {
	if len(p.Services)+len(p.Moved) == 0 {
		return
	}
	pg.line("")
	names := p.nameWidth()
	for _, e := range slices.Concat(p.Services, p.Moved) {
		e.text(pg, names)
	}
	if p.Beyond > 0 {
		pg.line(fmt.Sprintf("  then %d more in the same way", p.Beyond))
	}
}

// nameWidth is the width of the column of services.
func (p Plan) nameWidth() int {
	width := 0
	for _, e := range slices.Concat(p.Services, p.Moved) {
		width = max(width, len(e.Service))
	}
	return min(width, maxNameWidth)
}

// labelWidth is the width of the column of field names.
func (p Plan) labelWidth() int {
	width := minLabelWidth
	for _, e := range p.Services {
		for _, f := range e.Fields {
			width = max(width, len(printable(f.Name))+2)
		}
	}
	return min(width, maxLabelWidth)
}

func (t Totals) settled() bool { return t.Start+t.Restart+t.Stop+t.Pending == 0 }

// String is the line below the verdict.
func (t Totals) String() string {
	line := fmt.Sprintf("start %d   restart %d   stop %d", t.Start, t.Restart, t.Stop)
	if t.Pending > 0 {
		line += fmt.Sprintf("   pending %d", t.Pending)
	}
	return line + fmt.Sprintf("   untouched %d", t.Untouched)
}

func (v Verdict) color() int {
	switch v {
	case NoChanges, Safe:
		return green
	case Refused:
		return red
	}
	return yellow
}

func (pg *page) problems(mark byte, problems []specs.Problem) {
	if len(problems) > 0 {
		pg.line("")
	}
	for _, p := range problems {
		pg.wrapped("  "+pg.mark(mark)+" ", "    ", printable(problemText(p)))
	}
}

func problemText(p specs.Problem) string {
	if p.File == "" {
		return p.Message
	}
	return p.String()
}

func shortCommit(commit string) string {
	if len(commit) == 40 && strings.Trim(commit, "0123456789abcdef") == "" {
		return commit[:7]
	}
	return printable(commit)
}

// count is "1 task", "2 tasks".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
