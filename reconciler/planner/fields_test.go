package planner

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

// Whatever field of a spec changes, the plan names one: no restart without a
// visible reason, also for fields that specs learns later.
func TestEveryFieldIsTold(t *testing.T) {
	eachField(reflect.TypeFor[specs.TaskSpec](), func(name string, set func(reflect.Value)) {
		var task specs.TaskSpec
		set(reflect.ValueOf(&task).Elem())
		fields := diff(version{}, version{task: task}, nil, redactor{})
		if len(fields) != 1 || !fields[0].Restarts {
			t.Errorf("task spec %s: the plan tells %+v, want one field that restarts", name, fields)
		}
	})
	eachField(reflect.TypeFor[specs.ServiceSpec](), func(name string, set func(reflect.Value)) {
		var rules specs.ServiceSpec
		set(reflect.ValueOf(&rules).Elem())
		fields := diff(version{}, version{rules: rules}, nil, redactor{})
		if name == "Task" || name == "Image" {
			return // told as the task's; TestRestartWithoutVisibleField
		}
		if len(fields) != 1 || fields[0].Restarts {
			t.Errorf("service spec %s: the plan tells %+v, want one field that restarts nothing", name, fields)
		}
	})
}

// eachField visits every leaf of a struct type with a function that sets it.
func eachField(typ reflect.Type, visit func(name string, set func(reflect.Value))) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Type.Kind() == reflect.Struct {
			eachField(f.Type, func(name string, set func(reflect.Value)) {
				visit(f.Name+"."+name, func(v reflect.Value) { set(v.Field(i)) })
			})
			continue
		}
		visit(f.Name, func(v reflect.Value) { v.Field(i).Set(something(f.Type)) })
	}
}

// something is a value of the type that is not zero.
func something(typ reflect.Type) reflect.Value {
	v := reflect.New(typ).Elem()
	switch typ.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("k=v")
	case reflect.Int64, reflect.Int, reflect.Int32:
		v.SetInt(7)
	case reflect.Uint64, reflect.Uint32, reflect.Uint16:
		v.SetUint(7)
	case reflect.Pointer:
		v.Set(reflect.New(typ.Elem()))
		v.Elem().Set(something(typ.Elem()))
	case reflect.Slice:
		v.Set(reflect.Append(v, something(typ.Elem())))
	case reflect.Map:
		v.Set(reflect.MakeMap(typ))
		v.SetMapIndex(something(typ.Key()), something(typ.Elem()))
	case reflect.Struct:
		for i := range typ.NumField() {
			v.Field(i).Set(something(typ.Field(i).Type))
		}
	default:
		panic(fmt.Sprintf("a spec has a field of type %s: teach this test", typ))
	}
	return v
}

func TestFields(t *testing.T) {
	grace := specs.Duration(30 * time.Second)
	two, three, mode := uint64(2), uint64(3), uint32(0o440)
	old := version{
		rules: specs.ServiceSpec{
			Name: "shop_web", Stack: "shop", Replicas: &two, Labels: map[string]string{"com.example.team": "a"},
			Update: specs.UpdateConfig{MaxFailureRatio: 250_000},
		},
		task: specs.TaskSpec{
			Image: "web:1", Env: []string{"A=1", "B", "C", "GONE=x"}, Command: []string{"run", "a b"}, Limits: specs.Limits{Memory: 512 << 20},
			Mounts:  []specs.Mount{{Type: specs.MountBind, Source: "/src", Target: "/data"}},
			Ulimits: []specs.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}}, Labels: map[string]string{"tier": "front"},
			Secrets: []specs.FileRef{{Name: "shop_tls", Version: "bbbbbbbbbb", Target: "/run/secrets/tls"}},
			Configs: []specs.FileRef{{Name: "shop_page", Version: "aaaaaaaaaa", Target: "/page.conf"}},
		},
	}
	new := version{
		rules: specs.ServiceSpec{
			Name: "shop_web", Stack: "shop", Replicas: &three, Labels: map[string]string{"com.example.team": "b"},
			Placement: specs.Placement{Constraints: []string{"node.role == worker"}, MaxReplicas: 1},
		},
		task: specs.TaskSpec{
			Image: "web:2", Env: []string{"A=2", "B", "C=", "NEW="}, Command: []string{"run"}, Limits: specs.Limits{Memory: 1 << 30, CPUs: 500_000_000},
			Mounts:    []specs.Mount{{Type: specs.MountBind, Source: "/src", Target: "/data", ReadOnly: true}},
			StopGrace: &grace, Groups: []string{"adm"},
			Secrets: []specs.FileRef{{Name: "shop_tls", Version: "bbbbbbbbbb", Target: "/run/secrets/tls", Mode: &mode, UID: new(uint32(7))}},
			Configs: []specs.FileRef{{Name: "shop_page", Version: "cccccccccc", Target: "/page.conf", Template: specs.TemplateGolang}},
		},
	}
	origins := specs.Origins{
		"services.web":                                at(1),
		"services.web.image":                          at(2),
		"services.web.environment":                    at(3),
		"services.web.environment.NEW":                at(4),
		"services.web.configs./page.conf":             at(5),
		"services.web.deploy.labels":                  at(9),
		"services.web.deploy.labels.com.example.team": at(10),
	}
	var got []string
	for _, f := range diff(old, new, origins, redactor{}) {
		got = append(got, fmt.Sprintf("%d %v %s: %s", f.At.Line, f.Restarts, f.Name, f.text()))
	}
	want := strings.Split(strings.TrimSpace(`
1 true command: [run, a b] -> [run]
1 true group_add: (none) -> [adm]
1 true labels.tier: front -> (none)
1 true limits.cpus: (none) -> 0.5
1 true limits.memory: 512M -> 1G
1 true secret /run/secrets/tls: shop_tls bbbbbbbb -> shop_tls bbbbbbbb mode=0440 uid=7
1 true stop_grace_period: (none) -> 30s
1 true ulimits: [hard=2 name=nofile soft=1] -> (none)
1 true volume /data: bind /src -> bind /src read_only=true
2 true image: web:1 -> :2
3 true env A: 1 -> 2
3 true env C: (unset) -> ""
3 true env GONE: x -> (none)
4 true env NEW: (none) -> ""
5 true config /page.conf: shop_page aaaaaaaa -> shop_page cccccccc template
1 false constraints: (none) -> [node.role == worker]
1 false max_replicas_per_node: (none) -> 1
1 false replicas: 2 -> 3
1 false update_config.max_failure_ratio: 0.25 -> (none)
10 false labels.com.example.team: a -> b`), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A restart has a reason even if both specs read the same; their hashes are none to
// show, see RedactHash.
func TestRestartWithoutVisibleField(t *testing.T) {
	old := version{rules: specs.ServiceSpec{Name: "shop_web", Stack: "shop", Task: "0123456789"}}
	new := version{rules: specs.ServiceSpec{Name: "shop_web", Stack: "shop", Task: "abcdef0123"}}
	want := []Field{{Name: "task spec", Old: "(hidden)", New: "(hidden)", Restarts: true}}
	if diff := cmp.Diff(want, diff(old, new, nil, redactor{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestImageText(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"web:1", "web:2", "web:1 -> :2"},
		{"web", "web:2", "web -> web:2"},
		{"registry:5000/web", "registry:5000/web:2", "registry:5000/web -> registry:5000/web:2"},
		{"registry:5000/web:1", "registry:5000/web:2", "registry:5000/web:1 -> :2"},
		{"web:1", "web-next:1", "web:1 -> web-next:1"},
		{"web:1@sha256:aaaaaaaaaaaa", "web:1@sha256:bbbbbbbbbbbb", "web:1 -> web:1\nnow sha256:bbbbbbbb"},
		{"(none)", "web:1", "(none) -> web:1"},
	} {
		if got := imageText(c.old, c.new); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.old, c.new, got, c.want)
		}
	}
}
