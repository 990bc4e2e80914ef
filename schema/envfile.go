package schema

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"
	"unicode"

	"github.com/swarmgit/swarmgit/specs"
)

// variable is one line of an env file.
type variable struct {
	name     string
	value    string
	hasValue bool
	pos      specs.Position
}

// variables are those of a stack: of the .env beside its first file, if there is
// one, over them those of the env files that are listed, and over all the values.
func (f found) variables(tree *files, to *report) *variables {
	vars := &variables{values: map[string]string{}}
	file := path.Join(path.Dir(f.first()), ".env")
	data, err := tree.read(file)
	switch {
	case err == nil:
		vars.read(file, data, to)
	case !errors.Is(err, errAbsent):
		to.problem(specs.Position{File: file}, "", err.Error())
	}
	for _, layer := range f.env {
		if data, err := tree.read(layer.file); err != nil {
			layer.problem(err, to)
		} else {
			vars.read(layer.file, data, to)
		}
	}
	maps.Copy(vars.values, f.values)
	return vars
}

// read takes the lines of an env file: NAME=value, with quotes and variables in
// the way of Compose.
func (v *variables) read(file string, data []byte, to *report) {
	for _, line := range envLines(file, data, to) {
		if !line.hasValue {
			to.warn(line.pos, "", line.name+" has no value here: ignored; variables come from the repository only")
			continue
		}
		value, literal, err := unquote(line.value)
		if err != nil {
			to.problem(line.pos, "", err.Error())
			continue
		}
		if !literal {
			var wrong *variableError
			value, wrong = v.substitute(value, func(_, name string) {
				to.warn(line.pos, "", "${"+name+"} is not set: empty")
			})
			if wrong != nil {
				to.problem(line.pos, "", wrong.message)
				if v.grown > maxGrown {
					break
				}
				continue
			}
		}
		v.values[line.name] = value
	}
}

// envLines reads the lines of an env file. Values are as they stand there, as
// Swarm takes those of env_file.
func envLines(file string, data []byte, to *report) []variable {
	if problem, found := checkText(file, data); found {
		to.problems = append(to.problems, problem)
		return nil
	}
	var all []variable
	for i, line := range strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		trimmed := strings.TrimLeftFunc(line, unicode.IsSpace)
		pos := specs.Position{File: file, Line: i + 1, Column: len([]rune(line)) - len([]rune(trimmed)) + 1}
		trimmed = strings.TrimSuffix(trimmed, "\r")
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(trimmed, "export "), "=")
		name = strings.TrimSpace(name)
		if name == "" || strings.ContainsFunc(name, unicode.IsSpace) {
			to.problem(pos, "", fmt.Sprintf("must be NAME=value, the name without spaces%s", shownName(name)))
			continue
		}
		if len(value) > maxValue {
			to.problem(pos, "", tooLong)
			continue
		}
		all = append(all, variable{name, value, hasValue, pos})
	}
	return all
}

func shownName(name string) string {
	if name == "" || len(name) > maxShown || specs.SecretName(name) {
		return ""
	}
	return fmt.Sprintf(", got %q", name)
}

// unquote takes the quotes off a value of .env. It says literal for one in
// single quotes, in which no variable is replaced.
func unquote(value string) (plain string, literal bool, err error) {
	value = strings.TrimSpace(value)
	if value == "" || value[0] != '"' && value[0] != '\'' {
		value, _, _ = strings.Cut(value, " #")
		return strings.TrimSpace(value), false, nil
	}
	quote := value[0]
	var out strings.Builder
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == quote:
			return out.String(), quote == '\'', nil
		case value[i] == '\\' && i+1 < len(value):
			i++
			out.WriteString(escaped(quote, value[i]))
		default:
			out.WriteByte(value[i])
		}
	}
	return "", false, fmt.Errorf("the quote %c is not closed on this line", quote)
}

// escaped is what a backslash and the character after it stand for within quotes.
// A dollar comes out as variables have it.
func escaped(quote, char byte) string {
	const letters, controls = "abfnrtv", "\a\b\f\n\r\t\v"
	i := strings.IndexByte(letters, char)
	switch {
	case char == quote, quote == '"' && char == '\\':
		return string(char)
	case quote == '"' && char == '$':
		return "$$"
	case quote == '"' && i >= 0:
		return controls[i : i+1]
	}
	return string([]byte{'\\', char})
}
