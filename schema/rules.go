package schema

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

//go:embed compose.cue
var composeCUE string

//go:embed swarmgit.cue
var listingCUE string

// A format is what the files of one kind may hold, by a definition in CUE.
type format struct {
	file, cue, root string
	rules           func() *rule // the definition as Go needs it, read once
}

var (
	stackFormat   = newFormat("compose.cue", composeCUE, "#Stack")
	listingFormat = newFormat("swarmgit.cue", listingCUE, "#Repository")
)

func newFormat(file, text, root string) *format {
	f := &format{file: file, cue: text, root: root}
	f.rules = sync.OnceValue(func() *rule { return readRule(f.definition(cuecontext.New()), nil) })
	return f
}

// fate is what becomes of a key.
type fate int

const (
	untold  fate = iota // no attribute: a mistake in compose.cue
	built               // it works
	ignored             // by Swarm and by us, with a warning
	later               // not built; a warning
	partial             // not built and missed; a partial problem
	refused             // by Swarm and by us
)

var fates = map[string]fate{
	"built": built, "ignored": ignored, "later": later, "partial": partial, "refused": refused,
}

// rule is what compose.cue says of one key or of every value of a map or list.
type rule struct {
	kind   cue.Kind
	fate   fate
	why    string
	since  int    // minor version of the format, 3.x
	form   string // the short form that is accepted
	merge  string // how a later file goes over it, see merge.go
	null   bool   // may stand without a value
	unique bool
	xSince int  // minor version since which x- keys are let pass; 0 is never
	open   bool // keys that are not known are let pass, as Swarm does

	fields map[string]*rule // of a mapping
	each   *rule            // the values of a map or of a list
}

func (f *format) definition(ctx *cue.Context) cue.Value {
	v := ctx.CompileString(f.cue, cue.Filename(f.file)).LookupPath(cue.ParsePath(f.root))
	if err := v.Err(); err != nil {
		panic(err) // embedded, and tested
	}
	return v
}

func readRule(v cue.Value, attributes []cue.Attribute) *rule {
	r := &rule{kind: v.IncompleteKind()}
	for _, a := range append(cue.Dereference(v).Attributes(cue.DeclAttr), attributes...) {
		r.attribute(a)
	}
	switch {
	case r.kind == cue.StructKind:
		r.readFields(v)
	case r.kind == cue.ListKind:
		if item := v.LookupPath(cue.MakePath(cue.AnyIndex)); item.Exists() {
			r.each = readRule(item, nil)
		}
	}
	return r
}

func (r *rule) readFields(v cue.Value) {
	r.fields = map[string]*rule{}
	fields, err := v.Fields(cue.Optional(true))
	if err != nil {
		panic(err) // embedded, and tested
	}
	for fields.Next() {
		key := fields.Selector().Unquoted()
		r.fields[key] = readRule(fields.Value(), fields.Value().Attributes(cue.FieldAttr))
	}
	if any := v.LookupPath(cue.MakePath(cue.AnyString)); any.Exists() {
		if len(r.fields) > 0 {
			r.open = true
			return
		}
		r.fields, r.each = nil, readRule(any, nil)
	}
}

func (r *rule) attribute(a cue.Attribute) {
	text := a.Contents()
	if unquoted, err := a.String(0); err == nil {
		text = unquoted
	}
	switch a.Name() {
	case "since":
		r.since = minorVersion(text)
	case "extensible":
		r.xSince = minorVersion(text)
	case "form":
		r.form = text
	case "merge":
		r.merge = text
	case "null":
		r.null = true
	case "unique":
		r.unique = true
	default:
		r.fate, r.why = fates[a.Name()], text
	}
}

// minorVersion is the y of a format version "3.y", and the newest for "3" alone
// or none.
func minorVersion(version string) int {
	text, found := strings.CutPrefix(version, "3.")
	minor, err := strconv.Atoi(text)
	if err != nil || !found {
		return newestMinor
	}
	return minor
}

// newestMinor is the y of the newest version of the format, 3.y.
const newestMinor = 13
