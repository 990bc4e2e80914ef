package planner

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// fileOf gives a service a secret or an encrypted config whose content has a version.
func fileOf(kind specs.FileKind, name string, version specs.Hash) option {
	return func(_ *specs.ServiceSpec, t *specs.TaskSpec) {
		refs := &t.Secrets
		if kind == specs.Config {
			refs = &t.Configs
		}
		*refs = append(*refs, specs.FileRef{Name: name, Target: "/" + name, Version: version})
	}
}

// withFiles is a stack with the files that its services refer to.
func withFiles(s specs.Stack) specs.Stack {
	s.Payloads = map[specs.Hash]specs.Payload{}
	for _, task := range s.Tasks {
		for kind, ref := range task.FileRefs {
			s.Files = append(s.Files, specs.StackFile{Kind: kind, Name: ref.Name, Encrypted: kind == specs.Config})
			s.Payloads[ref.Version] = specs.Payload{Kind: kind, Version: ref.Version}
		}
	}
	return s
}

// The plan of who may only view is the same for a right guess of a secret and a
// wrong one, wherever the secret stands.
func TestAWithheldPlanTellsNoGuess(t *testing.T) {
	const secret, wrong = "5ec4e7", "60e550"
	for name, with := range map[string]func(value string) option{
		"variable":       func(v string) option { return env("API_KEY=" + v) },
		"URL":            func(v string) option { return env("DATABASE=postgres://ana:" + v + "@db/shop") },
		"URL of a label": func(v string) option { return label("from", "https://ana:"+v+"@example.com") },
		"URL in a check": func(v string) option {
			return func(_ *specs.ServiceSpec, t *specs.TaskSpec) {
				t.Healthcheck = &specs.Healthcheck{Test: []string{"CMD", "curl", "https://ana:" + v + "@localhost"}}
			}
		},
		"secret": func(v string) option { return fileOf(specs.Secret, "shop_tls", specs.Hash(v)) },
		"config": func(v string) option { return fileOf(specs.Config, "shop_conf", specs.Hash(v)) },
	} {
		w := newWorld(t, 1)
		w.push(withFiles(stack("shop", svc("web", with(secret)))))
		plan := func(withhold bool, service, value string, more ...option) (Plan, string) {
			in := w.input(withFiles(stack("shop", svc(service, append(more, with(value))...))))
			in.Withhold = withhold
			p := Make(in)
			data, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			return p, string(data) + render(t, p, TextOptions{}) + p.Markdown()
		}
		if p, text := plan(true, "web", wrong); p.Verdict != NoChanges || strings.Count(text, "could check guesses") != 2 {
			t.Errorf("%s: another value alone is told as %s", name, text)
		}
		for _, service := range []string{"web", "renamed"} {
			_, right := plan(true, service, secret, env("LEVEL=info"))
			other, guess := plan(true, service, wrong, env("LEVEL=info"))
			if diff := cmp.Diff(right, guess); diff != "" || len(other.Services) == 0 {
				t.Errorf("%s of %s: the plans differ, or tell of no change: %s", name, service, diff)
			}
			if strings.Contains(guess, wrong) {
				t.Errorf("%s: the plan shows the value: %s", name, guess)
			}
		}
		if p, _ := plan(false, "web", wrong); p.Verdict == NoChanges {
			t.Errorf("%s: another value is no change to anybody", name)
		}
	}
}

// A field that specs learns is not lost on the way.
func TestWithheldTextsKeepEveryField(t *testing.T) {
	eachField(reflect.TypeFor[specs.TaskSpec](), func(name string, set func(reflect.Value)) {
		var task specs.TaskSpec
		set(reflect.ValueOf(&task).Elem())
		if got := withheldTexts(task, specs.TaskSpec{}); encoding.HashTaskSpec(got) != encoding.HashTaskSpec(task) {
			t.Errorf("task spec %s: %+v, want %+v", name, got, task)
		}
	})
	eachField(reflect.TypeFor[specs.ServiceSpec](), func(name string, set func(reflect.Value)) {
		var rules specs.ServiceSpec
		set(reflect.ValueOf(&rules).Elem())
		if got := withheldTexts(rules, specs.ServiceSpec{}); !sameSpec(got, rules) {
			t.Errorf("service spec %s: %+v, want %+v", name, got, rules)
		}
	})
}
