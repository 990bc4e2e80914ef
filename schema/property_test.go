package schema

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

// hashes loads one stack and returns service name -> the whole spec, with the
// hash of its task.
func hashes(t interface {
	Fatalf(string, ...any)
	Helper()
}, data string) map[string]specs.ServiceSpec {
	t.Helper()
	result := Load(context.Background(), fstest.MapFS{"stacks/shop.yml": {Data: []byte(data)}}, Options{})
	if len(result.Problems) > 0 || len(result.Stacks) != 1 {
		t.Fatalf("%s\n%s", said(result), data)
	}
	out := map[string]specs.ServiceSpec{}
	for _, s := range result.Stacks[0].Services {
		out[s.Name] = s
	}
	return out
}

// TestShortAndLongFormsAreOne gives each key in all of its forms.
func TestShortAndLongFormsAreOne(t *testing.T) {
	for _, forms := range [][]string{
		{`command: sh -c "echo hi"`, `command: [sh, -c, echo hi]`, "command:\n- sh\n- -c\n- echo hi"},
		{`environment: {A: 1, B: two}`, `environment: [B=two, A=1]`, `environment: [A=1, "B=two"]`},
		{`labels: {a: b, c: }`, `labels: [a=b, c]`, `labels: {c: "", a: b}`},
		{`volumes: ["/a:/b:ro"]`, `volumes: [{type: bind, source: /a, target: /b, read_only: true}]`},
		{`volumes: ["/a:/b"]`, `volumes: ["/a:/b:rw"]`, `volumes: [{target: /b, source: /a, type: bind, consistency: cached}]`},
		{`tmpfs: /run`, `tmpfs: [/run]`, `volumes: [{type: tmpfs, target: /run}]`},
		{`ulimits: {nproc: 5}`, `ulimits: {nproc: {soft: 5, hard: 5}}`},
		{`extra_hosts: {a: 10.0.0.1, b: "::1"}`, `extra_hosts: ["a:10.0.0.1", "b:[::1]"]`, `extra_hosts: ["a=10.0.0.1", "b=::1"]`},
		{`stop_grace_period: 90s`, `stop_grace_period: 1m30s`},
		{`stop_signal: TERM`, `stop_signal: SIGTERM`, `stop_signal: sigterm`},
		{`cap_add: [NET_ADMIN, KILL]`, `cap_add: [cap_kill, CAP_NET_ADMIN]`},
		{`deploy: {resources: {limits: {memory: 1G, cpus: "0.50"}}}`, `deploy: {resources: {limits: {memory: 1024m, cpus: ".5"}}}`},
		{`deploy: {placement: {constraints: ["node.role==worker"]}}`, `deploy: {placement: {constraints: ["node.role  ==  worker"]}}`},
		{`restart: on-failure:3`, `deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}`},
		{`healthcheck: {disable: true}`, `healthcheck: {test: [NONE]}`, `healthcheck: {test: [NONE], disable: true, retries: 4}`, `healthcheck: {test: [NONE, x], interval: 3s}`},
		{`healthcheck: {test: curl -f localhost}`, `healthcheck: {test: [CMD-SHELL, curl -f localhost]}`, `healthcheck: {test: [CMD-SHELL, curl -f localhost], disable: false, retries: 0}`},
		{`healthcheck: {interval: 90s}`, `healthcheck: {interval: 1m30s, test: []}`},
		{`healthcheck: {}`, ``},
		{`ports: [{mode: host, target: 53, published: 53, protocol: udp}, {mode: host, target: 80, published: 80}]`,
			`ports: [{mode: host, target: 80, published: 80, protocol: tcp}, {mode: host, target: 53, published: 53, protocol: udp}]`},
		{`deploy: `, `deploy: {}`, `environment: {}`, `command: []`, `labels: []`, `tty: false`, `init: false`, `x-mine: 1`},
	} {
		var first map[string]specs.ServiceSpec
		for i, form := range forms {
			text := "services:\n  web:\n    image: nginx\n    " + strings.ReplaceAll(form, "\n", "\n    ") + "\n"
			got := hashes(t, text)
			if i == 0 {
				first = got
			}
			if diff := cmp.Diff(first, got); diff != "" {
				t.Errorf("%s and %s differ:\n%s", forms[0], form, diff)
			}
		}
	}
}

// TestOrderOfKeysIsNothing shuffles the keys of every mapping.
func TestOrderOfKeysIsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stack := anyStack(t)
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, seed))
		text := render(t, stack)
		var shuffled yaml.Node
		if err := yaml.Unmarshal([]byte(text), &shuffled); err != nil {
			t.Fatal(err)
		}
		shuffle(&shuffled, random)
		other := render(t, &shuffled)
		if diff := cmp.Diff(hashes(t, text), hashes(t, other)); diff != "" {
			t.Fatalf("%s\nand\n%s\n%s", text, other, diff)
		}
	})
}

// TestAnchorsAreNothing writes the same service once, and by anchor and merge.
func TestAnchorsAreNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		service := strings.ReplaceAll(render(t, anyService(t)), "\n", "\n    ")
		plain := "services:\n  a:\n    " + service + "\n  b:\n    " + service
		merged := "x-it: &it\n    " + service + "\nservices:\n  a: *it\n  b:\n    <<: *it\n"
		if diff := cmp.Diff(hashes(t, plain), hashes(t, merged)); diff != "" {
			t.Fatalf("%s\n%s", merged, diff)
		}
	})
}

func render(t *rapid.T, v any) string {
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func shuffle(n *yaml.Node, random *rand.Rand) {
	for _, child := range n.Content {
		shuffle(child, random)
	}
	if n.Kind == yaml.MappingNode {
		random.Shuffle(len(n.Content)/2, func(i, j int) {
			for k := range 2 {
				n.Content[2*i+k], n.Content[2*j+k] = n.Content[2*j+k], n.Content[2*i+k]
			}
		})
	}
}

func anyStack(t *rapid.T) map[string]any {
	names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9]{0,8}`), 1, 4, rapid.ID).Draw(t, "services")
	services := map[string]any{}
	for _, name := range names {
		services[name] = anyService(t)
	}
	return map[string]any{"services": services}
}

// anyService has some of the keys that are built, with values that are right.
func anyService(t *rapid.T) map[string]any {
	word := rapid.StringMatching(`[a-z]{1,8}`)
	words := rapid.SliceOfN(word, 0, 4)
	pairs := rapid.MapOfN(word, word, 0, 5)
	distinct := rapid.SliceOfNDistinct(word, 0, 4, rapid.ID)
	keys := map[string]func() any{
		"command":           func() any { return words.Draw(t, "command") },
		"entrypoint":        func() any { return words.Draw(t, "entrypoint") },
		"environment":       func() any { return pairs.Draw(t, "environment") },
		"labels":            func() any { return pairs.Draw(t, "labels") },
		"user":              func() any { return word.Draw(t, "user") },
		"working_dir":       func() any { return "/" + word.Draw(t, "dir") },
		"tty":               func() any { return rapid.Bool().Draw(t, "tty") },
		"read_only":         func() any { return rapid.Bool().Draw(t, "read_only") },
		"stop_grace_period": func() any { return fmt.Sprintf("%ds", rapid.IntRange(0, 500).Draw(t, "grace")) },
		"volumes": func() any {
			var volumes []string
			for _, w := range distinct.Draw(t, "volumes") {
				volumes = append(volumes, "/srv/"+w+":/to/"+w) // /run would hold sockets
			}
			return append(volumes, "/host:/always")
		},
		"deploy": func() any {
			return map[string]any{
				"replicas":      rapid.IntRange(0, 9).Draw(t, "replicas"),
				"labels":        pairs.Draw(t, "service labels"),
				"update_config": map[string]any{"parallelism": rapid.IntRange(0, 9).Draw(t, "parallelism"), "delay": "1s"},
				"resources":     map[string]any{"limits": map[string]any{"memory": fmt.Sprintf("%dM", rapid.IntRange(4, 900).Draw(t, "memory"))}},
			}
		},
	}
	service := map[string]any{"image": word.Draw(t, "image")}
	for _, key := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"command", "entrypoint", "environment", "labels", "user",
		"working_dir", "tty", "read_only", "stop_grace_period", "volumes", "deploy"}), rapid.ID).Draw(t, "keys") {
		service[key] = keys[key]()
	}
	return service
}

// TestVariablesAreComposes compares with compose-go on expressions of its own
// grammar.
func TestVariablesAreComposes(t *testing.T) {
	values := map[string]string{"SET": "value", "EMPTY": "", "OTHER": "x-y"}
	lookup := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	var expression *rapid.Generator[string]
	expression = rapid.Custom(func(t *rapid.T) string {
		name := rapid.SampledFrom([]string{"SET", "EMPTY", "UNSET", "OTHER"}).Draw(t, "name")
		word := rapid.StringMatching(`[a-z ./:@]{0,5}`).Draw(t, "word")
		if rapid.IntRange(0, 3).Draw(t, "nest") == 0 {
			word += expression.Draw(t, "inner")
		}
		switch rapid.IntRange(0, 6).Draw(t, "form") {
		case 0:
			return "$" + name
		case 1:
			return "${" + name + "}"
		case 2:
			return "$$" + name
		case 3:
			return "${" + name + rapid.SampledFrom([]string{":?", "?"}).Draw(t, "operator") + "why}"
		}
		return "${" + name + rapid.SampledFrom([]string{":-", "-", ":+", "+"}).Draw(t, "operator") + word + "}"
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(expression, 1, 4).Draw(t, "expressions"), rapid.SampledFrom([]string{"", " ", "/"}).Draw(t, "between"))
		want, wantErr := template.SubstituteWithOptions(text, lookup, template.WithoutLogging)
		vars := &variables{values: values}
		got, err := vars.substitute(text, func(string, string) {})
		if (err != nil) != (wantErr != nil) || err == nil && got != want {
			t.Fatalf("%q: got %q, %v; Compose has %q, %v", text, got, err, want, wantErr)
		}
	})
}

// TestDotEnvIsComposes compares with compose-go on lines that it reads.
func TestDotEnvIsComposes(t *testing.T) {
	line := rapid.Custom(func(t *rapid.T) string {
		name := rapid.StringMatching(`[A-Z]{1,3}`).Draw(t, "name")
		value := rapid.SampledFrom([]string{
			"", "plain", "two words", "a=b", " padded ", "a#b", "a # comment", "'single $A'", `"double $A"`, `"a\"b"`, `"a\nb"`,
			"$A", "${B:-none}", `"# no comment"`, "'it' # comment", "https://x/?a=b#c", "#c", `\$A`, "a\t#b",
			`"\$A"`, `"\\$A"`, `"\x\t\v"`, `'it\'s'`, `'a\nb\\'`, `"é\é"`, `'\"\$A'`,
		}).Draw(t, "value")
		return rapid.SampledFrom([]string{"", "export "}).Draw(t, "before") + name + "=" + value
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(line, 0, 6).Draw(t, "lines"), "\n")
		want, err := dotenv.ParseWithLookup(strings.NewReader(text), nil)
		if err != nil {
			t.Skip(err)
		}
		var to report
		tree := &files{fsys: fstest.MapFS{".env": {Data: []byte(text)}}}
		if diff := cmp.Diff(want, found{files: []layer{{file: "stack.yml"}}}.variables(tree, &to).values); diff != "" || len(to.problems) > 0 {
			t.Fatalf("%q: %v (-compose +ours):\n%s", text, to.problems, diff)
		}
	})
}
