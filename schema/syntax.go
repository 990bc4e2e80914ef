package schema

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/swarmgit/swarmgit/specs"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// syntaxProblem puts a YAML syntax error into plain words at its line and
// column. The lines that yaml.v3 tells are often those of the context, so the
// line is found as the first up to which the file has the same error; the column
// is where on that line the thing stands that the error is about.
func syntaxProblem(file string, data []byte, err error) specs.Problem {
	if isEOF(err) {
		return specs.Problem{Position: specs.Position{File: file}, Message: "the file is empty"}
	}
	said := saidBy(err)
	if name, ok := strings.CutPrefix(said, "unknown anchor '"); ok {
		return unknownAnchor(file, data, strings.TrimSuffix(name, "' referenced"))
	}
	if strings.Contains(said, "did not find expected ','") {
		if at, found := unclosed(data); found {
			opened := string(data[at])
			closing := map[string]string{"[": "]", "{": "}"}[opened]
			return specs.Problem{Position: positionAt(file, data, at), Message: "this `" + opened + "` is not closed by `" + closing + "`"}
		}
	}
	line, text := firstWith(said, data)
	sign, words := regexp.MustCompile(`\S`), said
	for _, known := range syntaxErrors {
		if strings.Contains(said, known.said) {
			sign, words = known.sign, known.words
			break
		}
	}
	column := 1
	if found := sign.FindStringSubmatchIndex(text); found != nil {
		column += utf8.RuneCountInString(text[:found[len(found)-2]])
	}
	return specs.Problem{Position: specs.Position{File: file, Line: line, Column: column}, Message: words}
}

// saidBy is a YAML error without its line.
func saidBy(err error) string {
	if err == nil {
		return ""
	}
	return lineForm.ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "")
}

var lineForm = regexp.MustCompile(`^line \d+: `)

// firstWith finds the first line up to which the file has the error.
func firstWith(said string, data []byte) (line int, text string) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	ends := make([]int, len(lines))
	end := 0
	for i, l := range lines {
		end += len(l)
		ends[i] = end
	}
	i := sort.Search(len(lines)-1, func(i int) bool { return saidBy(syntaxError(data[:ends[i]])) == said })
	return i + 1, strings.TrimRight(string(lines[i]), "\r\n")
}

// syntaxError is the first error in the documents of a file; nil if there is none.
func syntaxError(data []byte) error {
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var ignored yaml.Node
		if err := decoder.Decode(&ignored); isEOF(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// unclosed finds a bracket that opens a list or mapping and is never closed.
func unclosed(data []byte) (at int, found bool) {
	var open []int
	quote := byte(0)
	for i, c := range data {
		before := byte('\n')
		if i > 0 {
			before = data[i-1]
		}
		switch {
		case quote != 0:
			if c == quote && !(quote == '"' && before == '\\') {
				quote = 0
			}
		case c == '"' || c == '\'':
			if strings.IndexByte(" \n[{,", before) >= 0 {
				quote = c
			}
		case c == '[' || c == '{':
			if strings.IndexByte(" \n[{,", before) >= 0 {
				open = append(open, i)
			}
		case (c == ']' || c == '}') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return 0, false
	}
	return open[len(open)-1], true
}

// syntaxErrors are the errors of yaml.v3 in plain words, each with the sign by
// which the place is found on the line: its group, or all of it.
var syntaxErrors = []struct {
	said  string
	sign  *regexp.Regexp
	words string
}{
	{"mapping values are not allowed", regexp.MustCompile(`(?:^[^"'#]*?:\s[^"'#]*?)?(:)(?:\s|$)`), "a `:` is not allowed here: check the indentation of this line and the one before, or put the value in quotes"},
	{"cannot start any token", regexp.MustCompile("\t|[@`%]"), "this character cannot begin a value: indent by spaces, not tabs, and put such a value in quotes"},
	{"tab character", regexp.MustCompile("\t"), "a tab: YAML is indented by spaces only"},
	{"could not find expected ':'", regexp.MustCompile(`\S`), "a line without `key: value`: check the indentation, or put a value of several lines in quotes"},
	{"did not find expected key", regexp.MustCompile(`\S`), "no key of the mapping above: check the indentation"},
	{"did not find expected '-' indicator", regexp.MustCompile(`\S`), "no item of the list above: check the indentation"},
	{"block sequence entries are not allowed", regexp.MustCompile(`-(?:\s|$)`), "a list cannot begin here: check the indentation"},
	{"did not find expected ',' or ']'", regexp.MustCompile(`\S`), "a comma is missing in this list, or before this line"},
	{"did not find expected ',' or '}'", regexp.MustCompile(`\S`), "a comma is missing in this mapping, or before this line"},
	{"unexpected end of stream", regexp.MustCompile(`["']`), "a quote that begins here is not closed"},
	{"unexpected document indicator", regexp.MustCompile(`\S`), "a quote before here is not closed"},
	{"unknown escape character", regexp.MustCompile(`\\[^0abtnvfreN_LPxuU "/\\]`), "no escape that YAML knows: write \\\\ for a backslash, or use single quotes"},
	{"did not find expected alphabetic or numeric character", regexp.MustCompile(`[&*]`), "`&` and `*` begin an anchor or an alias: put the value in quotes"},
	{"did not find expected whitespace or line break", regexp.MustCompile(`\S`), "a space is missing"},
	{"did not find expected comment or line break", regexp.MustCompile(`[|>]`), "only a comment may follow here on the line"},
	{"control characters are not allowed", regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f-\x9f]`), "a control character: delete it"},
	{"exceeded max depth", regexp.MustCompile(`\S`), "values are nested more than 10000 deep"},
	{"undefined tag handle", regexp.MustCompile(`!`), "`!` begins a tag: put the value in quotes"},
}

func unknownAnchor(file string, data []byte, name string) specs.Problem {
	problem := specs.Problem{
		Position: specs.Position{File: file, Line: 1, Column: 1},
		Message:  "the alias *" + name + " has no anchor &" + name + " before it",
	}
	alias := regexp.MustCompile(`\*` + regexp.QuoteMeta(name) + `([^\w-]|$)`)
	if found := alias.FindIndex(data); found != nil {
		problem.Position = positionAt(file, data, found[0])
	}
	return problem
}
