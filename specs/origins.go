package specs

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Position is a place in a file of a stack repository. Line and Column count
// from 1; zero means the file as a whole.
type Position struct {
	File   string `json:"file"` // slash-separated, from the repository's root
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// String is file:line:column, as far as it is known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// ShortString is file:line, for columns of a table.
func (p Position) ShortString() string { return Position{File: p.File, Line: p.Line}.String() }

// Compare orders positions by file, line and column.
func (p Position) Compare(q Position) int {
	return cmp.Or(strings.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// Origins says where a field was written. Keys are Compose paths such as
// "services.web.deploy.replicas" or "services.web.environment.LOG_LEVEL".
// Origins are never hashed and never stored.
type Origins map[string]Position

// Find returns the position of the path or of the nearest parent that was
// written, and false if nothing of it was.
func (o Origins) Find(path string) (Position, bool) {
	for path != "" {
		if p, ok := o[path]; ok {
			return p, true
		}
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
	}
	return Position{}, false
}

// Problem is one mistake of a user, or one warning, at its place.
type Problem struct {
	Position
	Path    string `json:"path,omitempty"` // services.web.deploy.replicas
	Message string `json:"message"`        // what is wrong and what would be right, one line
	// Partial marks a key that is understood but not built yet and whose
	// absence would break or weaken the service: a push is refused for it
	// unless it says -o accept-partial.
	Partial bool `json:"partial,omitempty"`
}

// String is the problem in one line for a terminal, which nothing in it steers.
func (p Problem) String() string {
	text := p.Message
	for _, place := range []string{p.Path, p.Position.String()} {
		if place != "" {
			text = place + ": " + text
		}
	}
	return visible(text)
}

// visible writes out the characters that print nothing, as Go has them.
func visible(text string) string {
	var out strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			out.WriteRune(r)
		} else {
			out.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return out.String()
}
