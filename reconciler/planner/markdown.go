package planner

import (
	"cmp"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// The Markdown form is for the comment of a pull request. Forges take 65,536
// characters, and some count bytes.
const (
	markdownLimit = 60_000 // bytes
	markdownFoot  = 1_500  // of them, kept for what is said of the rest
	minStack      = 6_000  // that one stack may take, however many others there are
	maxLine       = 400    // bytes of one line of details
	maxNotShown   = 20     // stacks that are named although they are not shown
)

// Markdown is the plan for the comment of a pull request, of at most 60,000
// bytes: verdict and totals, refusals, warnings, then each stack folded. What is
// cut is said. It begins with a comment that nobody sees and by which the comment
// is found again, one for each cluster.
//
// Nothing that users wrote is read as Markdown or HTML, or calls anybody: it
// stands in fences that are longer than any that it holds, or in code whose
// punctuation is written as entities.
func (p Plan) Markdown() string {
	s := sheet{left: markdownLimit - markdownFoot}
	s.line("<!-- swarmgit-plan: " + markerName(p.Cluster) + " -->")
	s.line("### swarmgit plan: " + string(p.Verdict))
	s.line("")
	s.line("Plan " + code(p.Title) + p.onCluster() + "<br>")
	s.line("**" + p.gist() + "**")
	if p.Withheld {
		s.line("<br>" + notCompared)
	}
	s.fence("Refused:", "", p.linesOf(func(pg *page) { pg.problems('x', p.Refusals) }), markdownLimit/4)
	s.fence("Worth a look:", "", p.linesOf(func(pg *page) { p.standstills(pg); pg.problems('!', p.Warnings) }), markdownLimit/4)
	notShown := p.stacks(&s)
	s.left += markdownFoot
	if len(notShown) > 0 {
		s.line("")
		s.line("Not shown, there is no room: " + list(notShown) + ". See all of it with `swarmgit plan`.")
	}
	if rest := p.rest(); rest != "" {
		s.line("")
		s.line(rest)
	}
	return s.String()
}

func (p Plan) onCluster() string {
	if p.Cluster == "" {
		return ""
	}
	return ", cluster " + code(p.Cluster)
}

// gist is what follows the verdict: the totals, or why there are none.
func (p Plan) gist() string {
	switch {
	case p.Invalid:
		return "nothing was planned: " + count(len(p.Refusals), "problem")
	case p.Verdict == NoChanges && p.Totals.settled() && len(p.Paused) == 0:
		return "the cluster is what is asked for, " + count(p.Totals.Untouched, "task") + " running"
	}
	return strings.ReplaceAll(p.Totals.String(), "   ", ", ")
}

// stacks writes each stack that changes or whose tasks move, folded, and returns
// the names of those for which there was no room.
func (p Plan) stacks(s *sheet) (notShown []string) {
	entries := make(map[string][]Entry)
	for _, e := range slices.Concat(p.Services, p.Moved) {
		entries[e.Stack] = append(entries[e.Stack], e)
	}
	names := slices.Sorted(maps.Keys(entries))
	for i, stack := range names {
		var totals Totals
		for _, e := range entries[stack] {
			totals = totals.Add(e.Totals)
		}
		one := Plan{Services: entries[stack]}
		head := fmt.Sprintf("<details><summary><b>%s</b>: %s, %s</summary>", code(stack), count(len(entries[stack]), "service"), totals.brief())
		if !s.fence(head, "</details>", one.linesOf(one.services), max(s.left/(len(names)-i), minStack)) {
			notShown = append(notShown, stack)
		}
	}
	return notShown
}

// brief is what happens, or that nothing does: "restart 3, start 2".
func (t Totals) brief() string {
	var words []string
	for _, c := range []struct {
		verb string
		n    int
	}{{"start", t.Start}, {"restart", t.Restart}, {"stop", t.Stop}, {"pending", t.Pending}} {
		if c.n > 0 {
			words = append(words, fmt.Sprintf("%s %d", c.verb, c.n))
		}
	}
	return cmp.Or(strings.Join(words, ", "), "no task is touched")
}

// linesOf is a part of the text form, in lines.
func (p Plan) linesOf(part func(*page)) []string {
	pg := page{width: 80, labels: p.labelWidth()}
	part(&pg)
	text := strings.Trim(pg.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// sheet is Markdown under way, with room for so many more bytes.
type sheet struct {
	strings.Builder
	left int
}

func (s *sheet) line(text string) {
	s.WriteString(text + "\n")
	s.left -= len(text) + 1
}

// fence writes lines as they are, between head and tail, in at most room bytes.
// It reports whether at least one line had room; of none there is nothing to say.
func (s *sheet) fence(head, tail string, lines []string, room int) bool {
	if len(lines) == 0 {
		return true
	}
	ticks := strings.Repeat("`", max(3, longestRun(lines, '`')+1))
	frame := []string{"", head, "", ticks + "text", ticks}
	if tail != "" {
		frame = append(frame, "", tail)
	}
	room = min(room, s.left) - len("... 1000000 more lines\n")
	for _, line := range frame {
		room -= len(line) + 1
	}
	shown := 0
	for i := range lines {
		lines[i] = capped(lines[i])
		if room -= len(lines[i]) + 1; room < 0 {
			break
		}
		shown++
	}
	if shown == 0 {
		return false
	}
	if more := len(lines) - shown; more > 0 {
		lines = append(lines[:shown:shown], fmt.Sprintf("... %d more lines", more))
	}
	for _, line := range slices.Concat(frame[:4], lines, frame[4:]) {
		s.line(line)
	}
	return true
}

// capped is a line of at most maxLine bytes, in which nothing steers anything.
func capped(line string) string {
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line)
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine], "") + "..."
}

func longestRun(lines []string, char byte) int {
	longest := 0
	for _, line := range lines {
		run := 0
		for i := range len(line) {
			if run++; line[i] != char {
				run = 0
			}
			longest = max(longest, run)
		}
	}
	return longest
}

// code is text of a user's in a line of Markdown: nothing in it is markup, and
// forges look for names to call and links to make outside of code only.
func code(text string) string {
	var b strings.Builder
	b.WriteString("<code>")
	for _, r := range capped(text) {
		if r < unicode.MaxASCII && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
			fmt.Fprintf(&b, "&#%d;", r)
		} else {
			b.WriteString(html.EscapeString(string(r)))
		}
	}
	return b.String() + "</code>"
}

// list names what there is no room for, or counts it.
func list(stacks []string) string {
	var names []string
	for _, stack := range stacks[:min(len(stacks), maxNotShown)] {
		names = append(names, code(stack[:min(len(stack), 63)]))
	}
	text := "the stacks " + strings.Join(names, ", ")
	if more := len(stacks) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// markerName is the cluster's name as far as it can stand in a comment of HTML.
func markerName(cluster string) string {
	name := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '.' || r == '_' {
			return r
		}
		return '_'
	}, cluster)
	return cmp.Or(name[:min(len(name), 63)], "cluster")
}
