package schema

import (
	"errors"
	"fmt"
	"path"
	"regexp"
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

// dotEnv reads the .env beside a stack file, if there is one: NAME=value, with
// quotes and variables in the way of Compose.
func dotEnv(tree *files, stackFile string, to *report) *variables {
	vars := &variables{values: map[string]string{}}
	file := path.Join(path.Dir(stackFile), ".env")
	data, err := tree.read(file)
	if err != nil {
		if !errors.Is(err, errAbsent) {
			to.problem(specs.Position{File: file}, "", err.Error())
		}
		return vars
	}
	for _, v := range envLines(file, data, to) {
		if !v.hasValue {
			to.warn(v.pos, "", v.name+" has no value here: ignored; variables come from the repository only")
			continue
		}
		value, literal, err := unquote(v.value)
		if err != nil {
			to.problem(v.pos, "", err.Error())
			continue
		}
		if !literal {
			var wrong *variableError
			value, wrong = vars.substitute(value, func(_, name string) {
				to.warn(v.pos, "", "${"+name+"} is not set: empty")
			})
			if wrong != nil {
				to.problem(v.pos, "", wrong.message)
				if vars.grown > maxGrown {
					break
				}
				continue
			}
		}
		vars.values[v.name] = value
	}
	return vars
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
		all = append(all, variable{name, value, hasValue, pos})
	}
	return all
}

func shownName(name string) string {
	if name == "" || len(name) > maxShown || secretName.MatchString(name) {
		return ""
	}
	return fmt.Sprintf(", got %q", name)
}

var trailingComment = regexp.MustCompile(`\s#.*$`)

// unquote takes the quotes off a value of .env. It says literal for one in
// single quotes, in which no variable is replaced.
func unquote(value string) (plain string, literal bool, err error) {
	value = strings.TrimSpace(value)
	if value == "" || value[0] != '"' && value[0] != '\'' {
		return strings.TrimSpace(trailingComment.ReplaceAllString(" "+value, "")), false, nil
	}
	quote := value[0]
	var out strings.Builder
	for i := 1; i < len(value); i++ {
		switch {
		case value[i] == quote:
			return out.String(), quote == '\'', nil
		case value[i] == '\\' && quote == '"' && i+1 < len(value):
			i++
			if letter := strings.IndexByte("nrt", value[i]); letter >= 0 {
				out.WriteByte("\n\r\t"[letter])
				continue
			}
		}
		out.WriteByte(value[i])
	}
	return "", false, fmt.Errorf("the quote %c is not closed on this line", quote)
}
