package api

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The second half of API.md is made of the source: every procedure, who may ask
// it, and every message with what its comments say.
func TestThePageIsComplete(t *testing.T) {
	page, err := os.ReadFile("API.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(page, []byte("-update -->\n"))
	if !ok {
		t.Fatal("API.md has no second half")
	}
	s := readSources(t)
	want := s.page()
	switch {
	case string(rest) == want:
	case *update:
		if err := os.WriteFile("API.md", slices.Concat(head, []byte("-update -->\n"), []byte(want)), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("API.md is not what the source says: go test ./reconciler/api -run TestThePage -update")
	}
	for path := range maps.Keys(viewing) {
		if !strings.Contains(want, "`"+path+"`") {
			t.Errorf("viewers may call %s, which is no procedure", path)
		}
	}
}

// sources are the packages of which messages are made, read as text.
type sources struct {
	procedures []procedure
	types      map[string]*ast.TypeSpec // by "api.Node"
	docs       map[string]string
	values     map[string][]string // of the constants of a type, by the type
}

type procedure struct{ name, kind, request, reply, path string }

func readSources(t *testing.T) *sources {
	t.Helper()
	s := &sources{types: map[string]*ast.TypeSpec{}, docs: map[string]string{}, values: map[string][]string{}}
	for pkg, dir := range map[string]string{"api": ".", "planner": "../planner", "specs": "../../specs", "wire": "../../specs/wire"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range parsed.Decls {
				if group, ok := decl.(*ast.GenDecl); ok {
					s.read(pkg, group)
				}
			}
		}
	}
	slices.SortFunc(s.procedures, func(a, b procedure) int { return cmp.Compare(a.name, b.name) })
	return s
}

func (s *sources) read(pkg string, group *ast.GenDecl) {
	for _, spec := range group.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			name := pkg + "." + spec.Name.Name
			s.types[name], s.docs[name] = spec, oneLine(cmp.Or(spec.Doc.Text(), group.Doc.Text()))
		case *ast.ValueSpec:
			if of, ok := spec.Type.(*ast.Ident); ok && len(spec.Values) == 1 {
				if text, err := strconv.Unquote(source(spec.Values[0])); err == nil && text != "" {
					s.values[pkg+"."+of.Name] = append(s.values[pkg+"."+of.Name], text)
				}
			}
			s.readProcedure(pkg, spec)
		}
	}
}

func (s *sources) readProcedure(pkg string, spec *ast.ValueSpec) {
	if pkg != "api" || len(spec.Values) != 1 {
		return
	}
	call, ok := spec.Values[0].(*ast.CallExpr)
	if !ok {
		return
	}
	generic, ok := call.Fun.(*ast.IndexListExpr)
	if !ok || len(generic.Indices) != 2 {
		return
	}
	path, err := strconv.Unquote(source(call.Args[0]))
	if err != nil {
		return
	}
	s.procedures = append(s.procedures, procedure{
		spec.Names[0].Name, strings.TrimPrefix(source(generic.X), "wire."),
		qualified("api", generic.Indices[0]), qualified("api", generic.Indices[1]), path,
	})
}

// page is a table of the procedures and the messages in the order in which they
// are met.
func (s *sources) page() string {
	var b strings.Builder
	fmt.Fprint(&b, "\n## Procedures\n\n| procedure | who | request | reply |\n|---|---|---|---|\n")
	var queue []string
	for _, p := range s.procedures {
		request, reply := link(p.request), link(p.reply)
		switch p.kind {
		case "ServerStream":
			reply = "stream of " + reply
		case "ClientStream":
			request = "stream of " + request
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.path, who(p.path), request, reply)
		queue = append(queue, p.request, p.reply)
	}
	fmt.Fprint(&b, "\n## Messages\n")
	seen := map[string]bool{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if spec := s.types[name]; spec != nil && !seen[name] {
			seen[name] = true
			queue = append(queue, s.message(&b, name, spec)...)
		}
	}
	return b.String()
}

func who(path string) string {
	switch {
	case socketOnly[path]:
		return "socket"
	case viewing[path]:
		return "viewer"
	}
	return "admin"
}

// message writes one type and returns those that it names.
func (s *sources) message(b *strings.Builder, name string, spec *ast.TypeSpec) (named []string) {
	pkg, _, _ := strings.Cut(name, ".")
	fmt.Fprintf(b, "\n### %s\n\n%s\n", name, s.docs[name])
	if values := s.values[name]; len(values) > 0 {
		fmt.Fprintf(b, "\nOne of: `%s`.\n", strings.Join(values, "`, `"))
	}
	fields, ok := spec.Type.(*ast.StructType)
	if !ok || len(fields.Fields.List) == 0 {
		return nil
	}
	b.WriteByte('\n')
	for _, f := range fields.Fields.List {
		of := qualified(pkg, f.Type)
		named = append(named, bare(of))
		tag := ""
		if f.Tag != nil {
			text, _ := strconv.Unquote(f.Tag.Value) // the compiler has read it
			tag, _, _ = strings.Cut(reflect.StructTag(text).Get("json"), ",")
		}
		switch {
		case tag == "-":
		case tag == "" && len(f.Names) == 0:
			fmt.Fprintf(b, "- all fields of %s\n", link(of))
		default:
			line := fmt.Sprintf("- `%s` %s", cmp.Or(tag, f.Names[0].Name), link(of))
			if words := oneLine(cmp.Or(f.Comment.Text(), f.Doc.Text())); words != "" {
				line += ": " + words
			}
			fmt.Fprintln(b, line)
		}
	}
	return named
}

// qualified is a type with the package of every name in it.
func qualified(pkg string, of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		if ast.IsExported(of.Name) {
			return pkg + "." + of.Name
		}
		return of.Name
	case *ast.StarExpr:
		return qualified(pkg, of.X)
	case *ast.ArrayType:
		return "[]" + qualified(pkg, of.Elt)
	case *ast.MapType:
		return "map of " + qualified(pkg, of.Value)
	}
	return source(of)
}

func bare(of string) string { return strings.TrimPrefix(strings.TrimPrefix(of, "[]"), "map of ") }

// link is a type as the page shows it.
func link(of string) string {
	list := strings.TrimSuffix(of, bare(of))
	switch of = bare(of); {
	case list == "[]" && of == "byte":
		return "base64"
	case strings.HasPrefix(of, "time."), !strings.Contains(of, "."):
		return strings.Replace(list, "[]", "list of ", 1) + strings.ToLower(strings.TrimPrefix(of, "time."))
	}
	return fmt.Sprintf("%s[%s](#%s)", strings.Replace(list, "[]", "list of ", 1), of, strings.ToLower(strings.ReplaceAll(of, ".", "")))
}

func source(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.BasicLit:
		return of.Value
	case *ast.Ident:
		return of.Name
	case *ast.SelectorExpr:
		return source(of.X) + "." + of.Sel.Name
	}
	return fmt.Sprintf("%T", of)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
