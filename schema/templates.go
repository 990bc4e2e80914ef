package schema

import (
	"errors"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/template"
)

// templated is a text that may be a template, such as web-{{.Task.Slot}}.
func (b *builder) templated(n *node, path string) string {
	if n != nil {
		b.checkTemplate(n.pos, path, n.value)
	}
	return n.text()
}

// checkTemplate reports a template that no task of the service could expand.
func (b *builder) checkTemplate(pos specs.Position, path, text string) {
	if err := template.Check(text, b.labels); err != nil {
		b.to.problem(pos, path, "template: "+err.Error())
	}
}

// checkPayload reports a mistake in the template that a file holds, in the file.
func (b *builder) checkPayload(file, path string, data []byte) {
	err := template.CheckPayload(string(data))
	var mistake *template.Error
	if errors.As(err, &mistake) {
		b.to.problem(specs.Position{File: file, Line: mistake.Line, Column: 1}, path, "template: "+mistake.Message)
	}
}
