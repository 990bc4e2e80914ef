package schema

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/swarmgit/swarmgit/specs"
)

// Limits on what variables can grow a file to.
const (
	// maxGrown is how many bytes the variables of one stack, and the values with
	// variables, may come to.
	maxGrown = 16 << 20
	// maxNested is how deep defaults may hold variables.
	maxNested = 16
)

// variables are what ${NAME} can stand for in one stack file.
type variables struct {
	values map[string]string
	grown  int // bytes that have been made of variables so far
	depth  int // of nested defaults
}

// A variableError is a mistake in, or a refusal by, one ${...}.
type variableError struct {
	expression string
	message    string
}

// substitute replaces the variables of s as Compose does: $V ${V} ${V:-d} ${V-d}
// ${V:?m} ${V?m} ${V:+x} ${V+x}, defaults with variables of their own, and $$ for
// a dollar. It calls unset with each expression that is empty because its
// variable is not set.
func (v *variables) substitute(s string, unset func(expression, name string)) (string, *variableError) {
	if v.depth++; v.depth > maxNested {
		v.depth--
		return "", &variableError{"${", fmt.Sprintf("variables are nested more than %d deep", maxNested)}
	}
	defer func() { v.depth-- }()
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			s = rest[1:]
		case strings.HasPrefix(rest, "{"):
			end := closing(rest)
			if end < 0 {
				return "", &variableError{"${", "the `${` is not closed by `}`; write $$ for a dollar"}
			}
			value, err := v.braced(rest[1:end], unset)
			if err != nil {
				return "", err
			}
			out.WriteString(value)
			s = rest[end+1:]
		default:
			name := variableName.FindString(rest)
			if name == "" {
				return "", &variableError{"$", "no variable's name after `$`; write $$ for a dollar"}
			}
			value, err := v.value(name, "$"+name, unset)
			if err != nil {
				return "", err
			}
			out.WriteString(value)
			s = rest[len(name):]
		}
	}
}

var variableName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*`)

// closing is the index of the brace that closes the one at 0; variables inside
// have braces of their own.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch {
		case i == 0 || s[i] == '{' && s[i-1] == '$':
			depth++
		case s[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// braced evaluates what stands between ${ and }.
func (v *variables) braced(inside string, unset func(expression, name string)) (string, *variableError) {
	name := variableName.FindString(inside)
	expression := "${" + inside + "}"
	rest := inside[len(name):]
	if name == "" {
		return "", &variableError{expression, "no variable's name after `${`; write $$ for a dollar"}
	}
	if rest == "" {
		return v.value(name, expression, unset)
	}
	operator, word := rest[:1], rest[1:]
	if operator == ":" && word != "" {
		operator, word = rest[:2], rest[2:]
	}
	value, isSet := v.values[name]
	if strings.HasPrefix(operator, ":") {
		isSet = value != ""
	}
	switch operator {
	case ":-", "-":
		if isSet {
			return v.value(name, expression, unset)
		}
		return v.substitute(word, unset)
	case ":+", "+":
		if !isSet {
			return "", nil
		}
		return v.substitute(word, unset)
	case ":?", "?":
		if isSet {
			return v.value(name, expression, unset)
		}
		why, err := v.substitute(word, unset)
		if err != nil {
			return "", err
		}
		message := name + " must be set in .env"
		if why != "" {
			message += ": " + why
		}
		return "", &variableError{expression, message}
	}
	return "", &variableError{expression, fmt.Sprintf("after ${%s comes }, or one of :- - :? ? :+ +; write $$ for a dollar", name)}
}

func (v *variables) value(name, expression string, unset func(expression, name string)) (string, *variableError) {
	value, isSet := v.values[name]
	if !isSet {
		unset(expression, name)
	}
	return value, v.grow(value, expression)
}

func (v *variables) grow(by, expression string) *variableError {
	if v.grown += len(by); v.grown > maxGrown {
		return &variableError{expression, fmt.Sprintf("variables put more than %d MiB into this file", maxGrown>>20)}
	}
	return nil
}

// interpolate replaces the variables in every value of the tree, but not in keys
// and not below the x- keys of the file, which stand for nothing by themselves.
func (v *variables) interpolate(n *node, path string, lines []string, to *report) {
	switch n.kind {
	case text:
		v.text(n, path, lines, to)
	case list:
		for i, item := range n.items {
			v.interpolate(item, fmt.Sprintf("%s.%d", path, i), lines, to)
		}
	case mapping:
		for _, f := range n.fields {
			if path != "" || !strings.HasPrefix(f.key, "x-") {
				v.interpolate(f.value, join(path, f.key), lines, to)
			}
		}
	}
}

func (v *variables) text(n *node, path string, lines []string, to *report) {
	if !strings.Contains(n.value, "$") {
		return
	}
	from := n.pos
	result, err := v.substitute(n.value, func(expression, name string) {
		if n.unset = name; to.warned() {
			return
		}
		pos := locate(expression, from, lines)
		to.warn(pos, "", "${"+name+"} is not set: empty")
		if pos != n.pos {
			from = after(pos)
		}
	})
	if err == nil {
		err = v.grow(result, "$")
	}
	if err == nil && len(result) > maxValue {
		err = &variableError{"$", tooLong}
	}
	if err != nil {
		pos := n.pos
		if n.broken = true; !to.full() {
			pos = locate(err.expression, pos, lines)
		}
		to.problem(pos, path, err.message)
		return
	}
	n.interpolated = result != n.value
	n.value = result
}

func after(p specs.Position) specs.Position {
	p.Column++
	return p
}

// locate finds where an expression stands in the source of a value that begins
// at from. A value of several lines is searched to the end of its file at most;
// what is not found as written, being folded or escaped, is where the value is.
func locate(expression string, from specs.Position, lines []string) specs.Position {
	const maxLines = 500
	skip := max(from.Column-1, 0)
	for l := max(from.Line, 1); l <= len(lines) && l < from.Line+maxLines; l++ {
		before, rest := cutRunes(lines[l-1], skip)
		if i := strings.Index(rest, expression); i >= 0 {
			return specs.Position{File: from.File, Line: l, Column: utf8.RuneCountInString(before) + utf8.RuneCountInString(rest[:i]) + 1}
		}
		skip = 0
	}
	return from
}

// cutRunes cuts the first n characters off.
func cutRunes(s string, n int) (first, rest string) {
	for i := range s {
		if n == 0 {
			return s[:i], s[i:]
		}
		n--
	}
	return s, ""
}
