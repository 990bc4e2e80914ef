package planner

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

const (
	was  = "hunter2-before"
	will = "hunter2-after"
)

func TestSecretValuesNeverLeave(t *testing.T) {
	for _, e := range []string{
		"DB_PASSWORD=%", "db_pass=%", "MY_SECRET=%", "TOKEN=%", "API_KEY=%", "Credentials=%",
		"URL=postgres://me:%@db/shop", "URL=https://%@host/", "URL=amqp://me:a/%@host", "URL=amqp://me:a@%@host",
		"URLS=redis://a:%@one redis://b:%@two",
	} {
		w := newWorld(t, 1)
		value := func(secret string) option { return env(strings.ReplaceAll(e, "%", secret)) }
		w.push(stack("shop", svc("web", value(was))))
		p := w.plan(stack("shop", svc("web", value(will))))
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range []string{string(data), render(t, p, TextOptions{})} {
			if strings.Contains(shown, "hunter2") {
				t.Errorf("%s is shown: %s", e, shown)
			}
		}
		f := p.Services[0].Fields[0]
		if f.Old == f.New || f.Old == "" || f.New == "" {
			t.Errorf("%s: %q -> %q, want two different hashes", e, f.Old, f.New)
		}
	}
}

func TestWhatIsNoSecretIsShown(t *testing.T) {
	for _, value := range []string{"https://example.com/a@b/c", "me@example.com", "a:b@c", "://"} {
		l := leaf{name: "env URL", env: true}
		if _, got := (redactor{[]byte("k")}).pair(l, "", value); got != value {
			t.Errorf("%s is shown as %s", value, got)
		}
	}
}

func TestHashesNeedTheKey(t *testing.T) {
	l := leaf{name: "env API_KEY", env: true}
	one, _ := redactor{[]byte("one")}.pair(l, was, will)
	same, _ := redactor{[]byte("one")}.pair(l, was, will)
	other, _ := redactor{[]byte("other")}.pair(l, was, will)
	if one != same || one == other || len(one) != len("(4f1c)") {
		t.Errorf("%s, again %s, under another key %s", one, same, other)
	}
	if old, new := (redactor{}).pair(l, was, will); old != "(hidden)" || new != "(hidden)" {
		t.Errorf("without a key: %s -> %s, want both hidden", old, new)
	}
	if old, new := (redactor{[]byte("one")}).pair(l, "", was); old != "" || new == "" {
		t.Errorf("a new variable: %q -> %q", old, new)
	}
}

// Two different secrets never look the same.
func TestDifferentSecretsLookDifferent(t *testing.T) {
	r, seen := redactor{[]byte("k")}, make(map[string]string)
	l := leaf{name: "env TOKEN", env: true}
	for i := 0; ; i++ {
		value := strings.Repeat("x", i)
		short := r.hash(value, hashLengths[0])
		other, clash := seen[short]
		if seen[short] = value; !clash || i == 0 {
			continue
		}
		old, new := r.pair(l, other, value)
		if old == new {
			t.Errorf("%s for both of two secrets", old)
		}
		if slices.Contains([]string{old, new}, short) {
			t.Errorf("the short form %s says nothing here", short)
		}
		return
	}
}

func TestNamesOfFieldsThatAreNoEnvironment(t *testing.T) {
	task := specs.TaskSpec{Labels: map[string]string{"cache-key": "a"}}
	fields := diff(version{}, version{task: task}, nil, redactor{[]byte("k")})
	if fields[0].New != "a" {
		t.Errorf("a label is hidden: %+v", fields)
	}
}

func TestRedactedSpecHoldsNoSecret(t *testing.T) {
	spec := specs.TaskSpec{
		Env:     []string{"API_TOKEN=s3cret", "DATABASE=postgres://ana:s3cret@db/shop", "EMPTY_PASSWORD=", "LEVEL=info"},
		Command: []string{"serve", "--db", "postgres://ana:s3cret@db/shop"},
		Labels:  map[string]string{"from": "https://ana:s3cret@example.com"},

		Healthcheck: &specs.Healthcheck{Test: []string{"CMD", "curl", "http://ana:s3cret@localhost"}},
	}
	redacted := Redact(spec, []byte("k"))
	shown := fmt.Sprint(redacted, *redacted.Healthcheck)
	if strings.Contains(shown, "s3cret") || !strings.Contains(shown, "LEVEL=info") || !strings.Contains(shown, "EMPTY_PASSWORD= ") {
		t.Errorf("shown as %s", shown)
	}
	if spec.Env[0] != "API_TOKEN=s3cret" || spec.Healthcheck.Test[2] != "http://ana:s3cret@localhost" || spec.Labels["from"] != "https://ana:s3cret@example.com" {
		t.Error("the spec itself was changed")
	}
}
