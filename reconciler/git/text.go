package git

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Width is how many columns a line of a push's answer may have, after "remote: ".
const Width = 72

// Wrap breaks one line of text at spaces so that no line has more than Width
// columns; the lines after the first begin with indent. A longer word stays
// whole. The result ends with a newline.
func Wrap(line, indent string) string {
	var b strings.Builder
	margin := line[:len(line)-len(strings.TrimLeft(line, " "))]
	b.WriteString(margin)
	column, fresh := len(margin), true
	for _, word := range strings.Fields(line) {
		n := utf8.RuneCountInString(word)
		if !fresh && column+1+n > Width {
			b.WriteString("\n" + indent)
			column, fresh = len(indent), true
		}
		if !fresh {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column, fresh = column+n, false
	}
	return b.String() + "\n"
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
