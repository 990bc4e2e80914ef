package schema

import (
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/swarmgit/swarmgit/specs"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// syntaxProblem puts a YAML syntax error into plain words at its line and
// column. yaml.v3 tells lines only; the column is where on that line the thing
// stands that the error is about.
func syntaxProblem(file string, data []byte, err error) specs.Problem {
	if isEOF(err) {
		return specs.Problem{Position: specs.Position{File: file}, Message: "the file is empty"}
	}
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := lineForm.FindStringSubmatch(said); m != nil {
		line, _ = strconv.Atoi(m[1])
		said = m[2]
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	line = min(max(line, 1), len(lines))
	for _, known := range syntaxErrors {
		if !strings.Contains(said, known.said) {
			continue
		}
		for _, l := range []int{line, line + 1, line - 1} { // yaml.v3 counts from 0 in some errors
			if l < 1 || l > len(lines) {
				continue
			}
			if found := known.sign.FindStringIndex(lines[l-1]); found != nil {
				pos := specs.Position{File: file, Line: l, Column: utf8.RuneCountInString(lines[l-1][:found[0]]) + 1}
				return specs.Problem{Position: pos, Message: known.words}
			}
		}
		said = known.words
		break
	}
	if name, ok := strings.CutPrefix(said, "unknown anchor "); ok {
		return unknownAnchor(file, lines, strings.Trim(strings.TrimSuffix(name, " referenced"), "'"))
	}
	text := lines[line-1]
	column := len(text) - len(strings.TrimLeft(text, " \t")) + 1
	return specs.Problem{Position: specs.Position{File: file, Line: line, Column: column}, Message: said}
}

var lineForm = regexp.MustCompile(`(?s)^line (\d+): (.*)$`)

// syntaxErrors are the errors of yaml.v3 in plain words, each with the sign by
// which the place is found on the line.
var syntaxErrors = []struct {
	said  string
	sign  *regexp.Regexp
	words string
}{
	{"mapping values are not allowed", regexp.MustCompile(`:(\s|$)`), "a `:` is not allowed here: check the indentation of this line and the one before, or put the value in quotes"},
	{"cannot start any token", regexp.MustCompile("\t|[@`]|(%)"), "this character cannot begin a value: indent by spaces, not tabs, and put such a value in quotes"},
	{"tab character", regexp.MustCompile("\t"), "a tab: YAML is indented by spaces only"},
	{"could not find expected ':'", regexp.MustCompile(`\S`), "a line without `key: value`: check the indentation, or put a value of several lines in quotes"},
	{"did not find expected key", regexp.MustCompile(`\S`), "no key of the mapping above: check the indentation"},
	{"did not find expected '-' indicator", regexp.MustCompile(`\S`), "no item of the list above: check the indentation"},
	{"block sequence entries are not allowed", regexp.MustCompile(`-(\s|$)`), "a list cannot begin here: check the indentation"},
	{"did not find expected ',' or ']'", regexp.MustCompile(`\S`), "a `[` before here is not closed by `]`, or a comma is missing"},
	{"did not find expected ',' or '}'", regexp.MustCompile(`\S`), "a `{` before here is not closed by `}`, or a comma is missing"},
	{"unexpected end of stream", regexp.MustCompile(`["']`), "a quote that begins here is not closed"},
	{"unexpected document indicator", regexp.MustCompile(`\S`), "a quote before here is not closed"},
	{"unknown escape character", regexp.MustCompile(`\\[^0abtnvfreN_LPxuU "/\\]`), "no escape that YAML knows: write \\\\ for a backslash, or use single quotes"},
	{"did not find expected alphabetic or numeric character", regexp.MustCompile(`[&*]`), "`&` and `*` begin an anchor or an alias: put the value in quotes"},
	{"did not find expected whitespace or line break", regexp.MustCompile(`\S`), "a space is missing"},
	{"did not find expected comment or line break", regexp.MustCompile(`[|>]`), "only a comment may follow here on the line"},
	{"control characters are not allowed", regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f]`), "a control character"},
	{"undefined tag handle", regexp.MustCompile(`!`), "`!` begins a tag: put the value in quotes"},
}

func unknownAnchor(file string, lines []string, name string) specs.Problem {
	problem := specs.Problem{
		Position: specs.Position{File: file, Line: 1, Column: 1},
		Message:  "the alias *" + name + " has no anchor &" + name + " before it",
	}
	alias := regexp.MustCompile(`\*` + regexp.QuoteMeta(name) + `([^\w-]|$)`)
	for i, line := range lines {
		if found := alias.FindStringIndex(line); found != nil {
			problem.Line, problem.Column = i+1, utf8.RuneCountInString(line[:found[0]])+1
			break
		}
	}
	return problem
}
