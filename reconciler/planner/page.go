package planner

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Columns of the text form.
const (
	maxNameWidth  = 30 // of service names that are aligned
	minLabelWidth = 11
	maxLabelWidth = 22
	fieldIndent   = 6
	placeWidth    = 31 // where a field is written stands this far from the right
	maxValueWidth = 200
)

// The colours, as ANSI numbers.
const (
	red    = 31
	green  = 32
	yellow = 33
)

// page is text under way.
type page struct {
	strings.Builder
	width  int
	labels int // width of the column of field names
	color  bool
}

func (pg *page) line(text string) {
	pg.WriteString(strings.TrimRight(text, " "))
	pg.WriteByte('\n')
}

// wrapped writes text in words, the first line behind first, the others behind
// rest, which is as wide.
func (pg *page) wrapped(first, rest, text string) {
	for i, line := range wrap(text, pg.width-len(rest)) {
		if i == 0 {
			pg.line(first + line)
		} else {
			pg.line(rest + line)
		}
	}
}

// field writes a label, its value and, on the first line that has room, where it
// was written.
func (pg *page) field(label, value, place string) {
	indent := fieldIndent + max(pg.labels, utf8.RuneCountInString(label)+2)
	lines := wrap(value, max(pg.width-indent, 20))
	lines[0] = pad(strings.Repeat(" ", fieldIndent)+label, indent) + lines[0]
	for i := range lines[1:] {
		lines[i+1] = strings.Repeat(" ", indent) + lines[i+1]
	}
	for _, line := range pg.placed(lines, place) {
		pg.line(line)
	}
}

// placed puts the place on the first line that has room: in its column, or else
// at the right; or it gets a line of its own.
func (pg *page) placed(lines []string, place string) []string {
	if place == "" {
		return lines
	}
	right := max(pg.width-utf8.RuneCountInString(place), 0)
	column := max(min(pg.width-placeWidth, right), 0)
	for i, line := range lines {
		switch end := utf8.RuneCountInString(line) + 2; {
		case end <= column:
			lines[i] = pad(line, column) + place
			return lines
		case end <= right:
			lines[i] = pad(line, right) + place
			return lines
		}
	}
	return append(lines, strings.Repeat(" ", column)+place)
}

// mark is the sign at the beginning of an entry.
func (pg *page) mark(sign byte) string {
	switch sign {
	case '+':
		return pg.paint(green, "+")
	case '-', 'x':
		return pg.paint(red, string(sign))
	}
	return pg.paint(yellow, string(sign))
}

func (pg *page) paint(color int, text string) string {
	if !pg.color {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, text)
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
}

// hang writes text in words beside begin, or below it when begin takes more than
// half of the line.
func hang(begin, text string, width int) []string {
	indent, lines := utf8.RuneCountInString(begin), []string{begin}
	if indent > width/2 {
		indent = fieldIndent
	} else {
		lines = nil
	}
	for _, line := range wrap(text, width-indent) {
		lines = append(lines, strings.Repeat(" ", indent)+line)
	}
	if lines[0] != begin {
		lines[0] = begin + lines[0][indent:]
	}
	return lines
}

// wrap breaks text at line ends and between words so that no line is longer
// than width, unless one word is. Runs of spaces are kept within a line.
func wrap(text string, width int) []string {
	var lines []string
	if first, rest, ok := strings.Cut(text, "\n"); ok {
		return append(wrap(first, width), wrap(rest, width)...)
	}
	for utf8.RuneCountInString(text) > width {
		cut := strings.LastIndexByte(text[:byteAt(text, width+1)], ' ')
		if cut <= 0 {
			if cut = strings.IndexByte(text, ' '); cut < 0 {
				break
			}
		}
		lines = append(lines, strings.TrimRight(text[:cut], " "))
		text = strings.TrimLeft(text[cut:], " ")
	}
	return append(lines, text)
}

// byteAt is the offset of the n-th rune, or the length.
func byteAt(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}

// printable keeps what users wrote from steering a terminal.
func printable(text string) string {
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return strconv.Quote(text)
		}
	}
	return text
}

// shortened cuts a long value.
func shortened(text string) string {
	if utf8.RuneCountInString(text) <= maxValueWidth {
		return text
	}
	return text[:byteAt(text, maxValueWidth)] + "..."
}
