package git

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Width is how many columns a line of a push's answer may have, after "remote: ".
const Width = 72

// Wrap breaks one line of text at spaces so that no line has more than Width
// columns; the lines after the first begin with indent. A longer word stays whole,
// and so does a run of spaces within a line. The result ends with a newline.
func Wrap(line, indent string) string {
	var b strings.Builder
	rest := strings.TrimLeft(spaced(line), " ")
	margin := strings.Repeat(" ", utf8.RuneCountInString(line)-utf8.RuneCountInString(rest))
	b.WriteString(margin)
	column, gap := len(margin), ""
	for rest != "" {
		word, after, _ := strings.Cut(rest, " ")
		n := utf8.RuneCountInString(word)
		if gap != "" && column+len(gap)+n > Width {
			b.WriteString("\n" + indent)
			column, gap = len(indent), ""
		}
		b.WriteString(gap + word)
		column += len(gap) + n
		rest = strings.TrimLeft(after, " ")
		gap = strings.Repeat(" ", 1+len(after)-len(rest))
	}
	return b.String() + "\n"
}

// spaced is text with a space for each white space.
func spaced(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, text)
}

// shorten cuts text to n columns.
func shorten(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:n-3]), " ") + "..."
}

// Printable keeps what a commit or a client says from steering a terminal.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

func branch(ref string) string { return strings.TrimPrefix(ref, "refs/heads/") }
