// Package template is what templates in specs mean, in Swarm's words: which
// there are, whether one can be right, and its text on a node. It serves the
// schema, which checks them where they are written, and the agent, which expands
// them.
//
// The fields of [Context] may be named in environment variables, host names and
// mounts, and in secrets and configs with template_driver: golang; these also
// have the functions secret, config and env. The language is Go's text/template
// without what could run without an end: no template calls another, a range goes
// over fields only and not within another range. Every text on the way is
// bounded, and all of them together.
package template

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/swarmgit/swarmgit/specs"
)

// maxOutput is how long a text may get, in bytes: what the largest config has.
const maxOutput = 1 << 20

// Context is what a template can say of the task that it is expanded for.
type Context struct {
	Service struct {
		ID, Name string
		Labels   map[string]string
	}
	Node struct {
		ID, Hostname string
		Platform     struct{ Architecture, OS string }
	}
	Task struct{ ID, Name, Slot string } // the slot in a global service is its node's ID
}

// Files are what the functions of a payload give, by the name that the task has
// for it: the target of a secret or a config, or a variable.
type Files struct {
	Secret, Config, Env func(name string) (string, error)
}

// Error is a mistake in a template, in words.
type Error struct {
	Line    int // in the template, from 1
	Message string
}

func (e *Error) Error() string { return e.Message }

// In reports whether the text is a template.
func In(text string) bool { return strings.Contains(text, "{{") }

// Check tries the text of a spec on a made-up task of a service with these
// labels. Its error is an *Error.
func Check(text string, labels map[string]string) error {
	var c Context
	id := strings.Repeat("x", specs.IDLength)
	c.Service.ID, c.Service.Name, c.Service.Labels = id, "stack_service", labels
	c.Node.ID, c.Node.Hostname, c.Node.Platform.OS, c.Node.Platform.Architecture = id, "node-1", "linux", "amd64"
	c.Task.ID, c.Task.Name, c.Task.Slot = id, "stack_service.1", "1"
	_, err := Expand(text, c)
	return err
}

// CheckPayload is Check for the content of a secret or a config. What it names
// may be something else for each service, so only its form is checked.
func CheckPayload(text string) error {
	_, _, err := parsed(text, newBudget().payloadFuncs(Files{}))
	return err
}

// Expand is the text for a task. Its error is an *Error.
func Expand(text string, c Context) (string, error) {
	if !In(text) {
		return text, nil
	}
	return expand(text, c, newBudget().funcs())
}

// ExpandPayload is the content of a secret or a config for a task. Its error is
// an *Error.
func ExpandPayload(text string, c Context, files Files) (string, error) {
	return expand(text, c, newBudget().payloadFuncs(files))
}

func expand(text string, c Context, functions template.FuncMap) (string, error) {
	t, f, err := parsed(text, functions)
	if err != nil {
		return "", err
	}
	if f.repeated*len(c.Service.Labels) > maxOutput {
		return "", &Error{1, errTooOften.Error()}
	}
	var out bounded
	if err := t.Execute(&out, c); err != nil {
		return "", inWords(err)
	}
	return out.String(), nil
}

func parsed(text string, functions template.FuncMap) (*template.Template, *form, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(functions).Parse(text)
	if err != nil {
		return nil, nil, inWords(err)
	}
	if len(t.Templates()) > 1 {
		return nil, nil, &Error{1, "define and block are not for templates here: write the text where it stands"}
	}
	f := &form{text: text}
	if t.Tree == nil {
		return t, f, nil
	}
	return t, f, f.finite(t.Tree.Root, false)
}

// form is what is learned of a template before it is expanded.
type form struct {
	text     string
	repeated int // bytes of template that ranges repeat: for each label, there is nothing longer
}

// finite refuses what could go on without an end.
func (f *form) finite(n parse.Node, inRange bool) error {
	refuse := func(why string) error {
		return &Error{1 + strings.Count(f.text[:min(int(n.Position()), len(f.text))], "\n"), why}
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := f.finite(child, inRange); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return errors.Join(f.finite(n.List, inRange), f.finite(n.ElseList, inRange))
	case *parse.WithNode:
		return errors.Join(f.finite(n.List, inRange), f.finite(n.ElseList, inRange))
	case *parse.TemplateNode:
		return refuse("template is not for templates here: write the text where it stands")
	case *parse.RangeNode:
		switch {
		case inRange:
			return refuse("a range within a range is not for templates here")
		case !overField(n.Pipe):
			return refuse("a range goes over a field here, such as .Service.Labels")
		}
		f.repeated += len(n.List.String())
		return errors.Join(f.finite(n.List, true), f.finite(n.ElseList, inRange))
	}
	return nil
}

// overField reports that a pipeline is one field and nothing else.
func overField(pipe *parse.PipeNode) bool {
	if len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return false
	}
	switch arg := pipe.Cmds[0].Args[0].(type) {
	case *parse.FieldNode:
		return true
	case *parse.VariableNode:
		return len(arg.Ident) > 1 // $.Service.Labels
	}
	return false
}

// bounded is an output that ends at maxOutput.
type bounded struct{ strings.Builder }

var errTooLong = fmt.Errorf("the text gets longer than %d KiB", maxOutput>>10)

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

// A text that writes nothing takes its time too: what ranges repeat is bounded as
// if it were written.
var errTooOften = fmt.Errorf("its ranges repeat more than %d KiB of template: keep what they repeat short", maxOutput>>10)

// maxWork is how much may be written on the way to one text, in bytes. A single
// result may get as long before it is seen to be too long: quoted, a character may
// take four.
const maxWork = 16 * maxOutput

var errTooMuch = fmt.Errorf("the texts made on the way get longer than %d MiB together: make each once and keep it in a variable", maxWork>>20)

// budget is what is left of maxWork.
type budget int

func newBudget() *budget {
	b := budget(maxWork)
	return &b
}

// pay lets a result pass that is neither too long nor too much.
func (b *budget) pay(text string) (string, error) {
	if len(text) > maxOutput {
		return "", errTooLong
	}
	return text, b.spend(text)
}

func (b *budget) spend(text string) error {
	if *b -= budget(len(text)); *b < 0 {
		return errTooMuch
	}
	return nil
}

// funcs are join, as in Swarm, and Go's own that make texts, with bounded results.
func (b *budget) funcs() template.FuncMap {
	return template.FuncMap{
		"join":     func(texts []string, sep string) (string, error) { return b.pay(strings.Join(texts, sep)) },
		"print":    b.within(fmt.Sprint),
		"printf":   b.printf,
		"println":  b.within(fmt.Sprintln),
		"html":     b.within(template.HTMLEscaper),
		"js":       b.within(template.JSEscaper),
		"urlquery": b.within(template.URLQueryEscaper),
	}
}

// within is f for arguments that are not too long together: a result is made
// whole before anybody can look how long it is.
func (b *budget) within(f func(...any) string) func(...any) (string, error) {
	return func(args ...any) (string, error) {
		n, err := b.length(args)
		switch {
		case err != nil:
			return "", err
		case n > maxOutput:
			return "", errTooLong
		}
		return b.pay(f(args...))
	}
}

// length is that of all arguments as text, in bytes; of more than maxOutput it is
// as far as it was counted. What becomes text for that is spent.
func (b *budget) length(args []any) (n int, err error) {
	for _, arg := range args {
		if n > maxOutput {
			break
		}
		text, ok := arg.(string)
		if !ok {
			text = fmt.Sprintf("%#v", arg) // the longest form of it
			if err := b.spend(text); err != nil {
				return n, err
			}
		}
		n += len(text)
	}
	return n, nil
}

var tooWide = regexp.MustCompile(`%[^a-zA-Z%]*(\d{5}|\*)`)

// printf is Go's, without widths beyond four digits: each verb may give all of
// the arguments.
func (b *budget) printf(format string, args ...any) (string, error) {
	if tooWide.MatchString(format) {
		return "", errors.New("printf has widths of at most four digits here, and no *")
	}
	n, err := b.length(args)
	switch {
	case err != nil:
		return "", err
	case strings.Count(format, "%")*(4*n+10_000) > maxWork:
		return "", errTooLong
	}
	return b.pay(fmt.Sprintf(format, args...))
}

func (b *budget) payloadFuncs(files Files) template.FuncMap {
	all := b.funcs()
	for name, f := range map[string]func(string) (string, error){"secret": files.Secret, "config": files.Config, "env": files.Env} {
		all[name] = func(name string) (string, error) {
			text, err := f(name)
			if err != nil {
				return "", err
			}
			return b.pay(text)
		}
	}
	return all
}

var (
	place   = regexp.MustCompile(`^template: :(\d+)(?::\d+)?: `)
	context = regexp.MustCompile(`^executing "" at <(.*?)>: `)
	calling = regexp.MustCompile(`^error calling \w+: `)
	absent  = regexp.MustCompile(`^can't evaluate field (\S+) in type .*`)
	nokey   = regexp.MustCompile(`^map has no entry for key "(.*)"`)
)

// inWords takes Go's types and its ways out of an error of text/template.
func inWords(err error) *Error {
	text, line := err.Error(), 1
	if m := place.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	at := ""
	if m := context.FindStringSubmatch(text); m != nil {
		at, text = m[1], text[len(m[0]):]
	}
	text = calling.ReplaceAllString(text, "")
	switch {
	case errors.Is(err, errTooLong):
		text = errTooLong.Error()
	case errors.Is(err, errTooMuch):
		text = errTooMuch.Error()
	case absent.MatchString(text):
		text = absent.ReplaceAllString(text, at+": there is no $1; there are "+
			".Service.ID .Service.Name .Service.Labels .Node.ID .Node.Hostname .Node.Platform.OS .Node.Platform.Architecture .Task.ID .Task.Name .Task.Slot")
	case nokey.MatchString(text):
		text = nokey.ReplaceAllString(text, at+`: there is no "$1"`)
	}
	return &Error{line, text}
}
