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

// maxTemplateWork bounds what trying the templates of a stack may cost, in bytes of
// templates for each label that they may go over, and for each 64 bytes of labels
// that they may print: about a second at worst.
const maxTemplateWork = 20_000_000

// labelWork is what labels cost each byte of a template.
func labelWork(labels map[string]string) int {
	bytes := 0
	for key, value := range labels {
		bytes += len(key) + len(value)
	}
	return 1 + len(labels) + bytes/64
}

// checkTemplate reports a template that no task of the service could expand.
func (b *builder) checkTemplate(pos specs.Position, path, text string) {
	if !template.In(text) {
		return
	}
	if b.work += len(text) * labelWork(b.labels); b.work > maxTemplateWork {
		b.to.problem(pos, path, "the templates of this stack are too long for services with so many, or so long, labels: use fewer of either")
		return
	}
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
