package template

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

func example() (c Context) {
	c.Service.ID, c.Service.Name, c.Service.Labels = "s1", "shop_web", map[string]string{"tier": "front", "team.name": "core"}
	c.Node.ID, c.Node.Hostname, c.Node.Platform.OS, c.Node.Platform.Architecture = "n1", "alpha", "linux", "amd64"
	c.Task.ID, c.Task.Name, c.Task.Slot = "t1", "shop_web.3", "3"
	return c
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"plain $ {": "plain $ {",
		"{{.Service.ID}} {{.Service.Name}} {{.Service.Labels.tier}}":                            "s1 shop_web front",
		`{{index .Service.Labels "team.name"}}`:                                                 "core",
		"{{.Node.ID}}/{{.Node.Hostname}}/{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}": "n1/alpha/linux/amd64",
		"{{.Task.ID}} {{.Task.Name}} {{.Task.Slot}}":                                            "t1 shop_web.3 3",
		"{{range $k, $v := .Service.Labels}}{{$k}}={{$v}};{{end}}":                              "team.name=core;tier=front;",
		"{{with .Task}}{{.Slot}}{{end}}{{if eq .Node.ID `n1`}}!{{end}}":                         "3!",
		`{{printf "%s:12345 %-5d|" .Task.Slot 7}}`:                                              "3:12345 7    |",
		`{{printf "%03s" .Task.Slot}}`:                                                          "003",
	} {
		if got, err := Expand(text, example()); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", text, got, err, want)
		}
	}
}

// What writes nothing costs time all the same: a large config that a range repeats
// for thousands of labels would keep its node busy for minutes.
func TestRangesRepeatLittle(t *testing.T) {
	c := example()
	for i := range 5000 {
		c.Service.Labels[fmt.Sprint("label", i)] = "x"
	}
	body := func(n int) string { return "{{range .Service.Labels}}" + strings.Repeat("{{$a := 1}}", n) + "{{end}}" }
	if got, err := Expand(body(10), c); err != nil || got != "" {
		t.Errorf("a short range over all labels: %q, %v", got, err)
	}
	const words = "its ranges repeat more than 1024 KiB of template: keep what they repeat short"
	for name, text := range map[string]string{"one": body(1000), "many": strings.Repeat(body(10), 100), "in an if": "{{if 1}}" + body(1000) + "{{end}}"} {
		if _, err := ExpandPayload(text, c, Files{}); err == nil || err.Error() != words {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check(body(1000), map[string]string{"tier": "front"}); err != nil {
		t.Errorf("over one label: %v", err)
	}
}

// A template that is right for every task there can be is right for the one that
// is made up.
func TestCheckTriesARealTask(t *testing.T) {
	for _, text := range []string{"{{slice .Task.ID 0 12}}", "{{slice .Node.Hostname 0 1}}-{{slice .Service.ID 20}}", "{{index .Task.Slot 0}}"} {
		if err := Check(text, nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"{{.Task.Slott}}":                         ".Task.Slott: there is no Slott; there are .Service.ID",
		"a\n{{.Service.Labels.tear}}":             `.Service.Labels.tear: there is no "tear"`,
		"{{.Task.Slot":                            "unclosed action",
		"\n{{nosuch}}":                            `function "nosuch" not defined`,
		`{{secret "x"}}`:                          `function "secret" not defined`,
		`{{template "x"}}`:                        "template is not for templates here",
		`{{define "x"}}{{end}}`:                   "define and block are not",
		"{{range 9999999999}}{{end}}":             "a range goes over a field",
		"{{$x := 99999999}}\n{{range $x}}{{end}}": "a range goes over a field",
		"{{range .Service.Labels}}{{range $.Service.Labels}}{{end}}{{end}}":                                            "a range within a range",
		"{{if true}}{{else}}{{range len `abc`}}{{end}}{{end}}":                                                         "a range goes over a field",
		`{{$x := "0123456789abcdef"}}` + strings.Repeat(`{{$x = print $x $x $x $x}}`, 20) + `{{$x}}`:                   "the text gets longer than 1024 KiB",
		`{{$x := "x"}}` + strings.Repeat(`{{$x = printf "%[1]s%[1]s%[1]s%[1]s" $x}}`, 9) + strings.Repeat("{{$x}}", 5): "the text gets longer than 1024 KiB",
		`{{printf "` + strings.Repeat("%[1]999999d", 99) + `" 1}}`:                                                     "printf has widths of at most four digits",
		`{{printf "%*d" 999999 1}}`:                                              "printf has widths of at most four digits",
		`{{printf "` + strings.Repeat("%[1]9999d", 9999) + `" 1}}`:               "the text gets longer than 1024 KiB",
		`{{$x := printf "%9999d" 1}}{{print` + strings.Repeat(" $x", 200) + `}}`: "the text gets longer than 1024 KiB",
		`{{printf "%9999999d" 1}}{{template "y" .}}`:                             "template is not",
	} {
		_, err := Expand(text, example())
		var mistake *Error
		if !errors.As(err, &mistake) || !strings.Contains(mistake.Message, want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
			continue
		}
		if line := 1 + strings.Count(strings.SplitAfter(text, "{{$x := 99999999}}")[0], "\n"); strings.HasPrefix(text, "\n") && mistake.Line != line {
			t.Errorf("%q is said of line %d", text, mistake.Line)
		}
		for _, noise := range []string{"struct", "template:", "executing", "<.", "error calling"} {
			if strings.Contains(mistake.Message, noise) {
				t.Errorf("%q is nothing for people: %q", mistake.Message, noise)
			}
		}
	}
}

func TestExpandPayload(t *testing.T) {
	files := Files{
		Secret: func(name string) (string, error) { return "S-" + name, nil },
		Config: func(name string) (string, error) { return "", fmt.Errorf("the task has no config %q", name) },
		Env:    func(name string) (string, error) { return "E-" + name, nil },
	}
	got, err := ExpandPayload(`key={{secret "tls"}} env={{env "K"}} at={{.Task.Name}}`, example(), files)
	if want := "key=S-tls env=E-K at=shop_web.3"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := ExpandPayload("\n\n{{config `app`}}", example(), files); err == nil || err.Error() != `the task has no config "app"` {
		t.Errorf("got %v", err)
	}
	if err := CheckPayload(`{{secret "tls"}}{{config "x"}}{{env "y"}}`); err != nil {
		t.Error(err)
	}
	var mistake *Error
	if err := CheckPayload("a\nb {{secret}\n"); !errors.As(err, &mistake) || mistake.Line != 2 {
		t.Errorf("got %v, %+v; want a mistake in line 2", err, mistake)
	}
}

func TestExpandSpec(t *testing.T) {
	spec := specs.TaskSpec{
		Hostname: "web-{{.Task.Slot}}", Env: []string{"AT={{.Node.Hostname}}", "PLAIN=x", "{{UNSET}}"},
		Mounts: []specs.Mount{{Type: specs.MountBind, Source: "/srv/{{.Task.Slot}}", Target: "/data/{{.Node.ID}}"}},
	}
	got, err := ExpandSpec(spec, example())
	want := specs.TaskSpec{
		Hostname: "web-3", Env: []string{"AT=alpha", "PLAIN=x", "{{UNSET}}"},
		Mounts: []specs.Mount{{Type: specs.MountBind, Source: "/srv/3", Target: "/data/n1"}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if spec.Env[0] != "AT={{.Node.Hostname}}" || spec.Mounts[0].Source != "/srv/{{.Task.Slot}}" {
		t.Error("the spec that was given is changed")
	}
	spec.Env[1] = "PLAIN={{.Service.Labels.x}}"
	if _, err := ExpandSpec(spec, example()); err == nil || !strings.Contains(err.Error(), "expand the variable PLAIN: ") {
		t.Errorf("got %v", err)
	}
	for source, want := range map[string]string{
		`/{{printf "run"}}`:             "its source is /run, the socket of a container engine or its folder",
		`/srv/{{printf ".."}}/var/run/`: "its source is /srv/../var/run/, the socket",
	} {
		_, err := ExpandSpec(specs.TaskSpec{Mounts: []specs.Mount{{Type: specs.MountBind, Source: source, Target: "/x"}}}, example())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", source, err)
		}
	}
	for spec, want := range map[string]bool{"plain": false, "x{{.Task.ID}}": true} {
		if Templated(specs.TaskSpec{Hostname: spec}) != want {
			t.Errorf("%s is templated: %v", spec, !want)
		}
	}
}

// The labels of a service are no text, and as long as somebody likes.
func TestLongLabels(t *testing.T) {
	c := example()
	c.Service.Labels = map[string]string{"long": strings.Repeat("x", maxOutput/4)}
	for _, call := range []string{"print" + strings.Repeat(" .", 1000), "printf `" + strings.Repeat("%[1]v", 1000) + "` .Service.Labels", "html" + strings.Repeat(" .", 1000)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Expand("{{"+call+"}}", c)
		runtime.ReadMemStats(&after)
		if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 64 || !errors.Is(err, errTooLong) && (err == nil || err.Error() != errTooLong.Error()) {
			t.Errorf("%.20s: %v after %d MiB", call, err, made)
		}
	}
}

// What is not shown costs as much as what is: many small steps over a long text.
func TestWorkIsBounded(t *testing.T) {
	long := strings.Repeat("x", maxOutput-1)
	c := example()
	c.Service.Labels["long"] = long[:maxOutput/2]
	files := Files{Config: func(string) (string, error) { return long, nil }}
	const keep = "{{$x := config `long`}}"
	for _, step := range []string{"{{$x = print $x}}", "{{$y := html $x}}", "{{if printf `%s` $x}}{{end}}", "{{$y := config `x`}}", "{{if printf `%T` .Service.Labels}}{{end}}"} {
		var mistake *Error
		_, err := ExpandPayload(keep+"\n"+strings.Repeat(step, 1000), c, files)
		if !errors.As(err, &mistake) || mistake.Line != 2 || mistake.Message != "the texts made on the way get longer than 16 MiB together: make each once and keep it in a variable" {
			t.Errorf("%s: %v", step, err)
		}
		if _, err := ExpandPayload(keep+strings.Repeat(step, 9)+"{{$x}}", c, files); err != nil {
			t.Errorf("%s, nine times: %v", step, err)
		}
	}
}
