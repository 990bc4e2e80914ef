package encoding

import (
	"bytes"
	"encoding/hex"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

func TestEmptyAndNilHashTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := rapid.Make[specs.TaskSpec]().Draw(t, "spec")
		var swapped specs.TaskSpec
		if err := Unmarshal(marshal(t, spec), &swapped); err != nil {
			t.Fatal(err)
		}
		swapEmpty(reflect.ValueOf(&swapped).Elem())
		if HashTaskSpec(spec) != HashTaskSpec(swapped) {
			t.Fatalf("the hash tells nil from empty:\n%s", cmp.Diff(spec, swapped))
		}
	})
}

// swapEmpty makes nil lists and maps in a struct empty ones, and empty ones nil.
func swapEmpty(v reflect.Value) {
	for _, field := range v.Fields() {
		switch {
		case field.Kind() == reflect.Struct:
			swapEmpty(field)
		case field.Kind() == reflect.Slice && field.Len() > 0 && field.Type().Elem().Kind() == reflect.Struct:
			for i := range field.Len() {
				swapEmpty(field.Index(i))
			}
		case field.Kind() == reflect.Slice && field.IsNil():
			field.Set(reflect.MakeSlice(field.Type(), 0, 0))
		case field.Kind() == reflect.Map && field.IsNil():
			field.Set(reflect.MakeMap(field.Type()))
		case (field.Kind() == reflect.Slice || field.Kind() == reflect.Map) && field.Len() == 0:
			field.SetZero()
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := rapid.Make[specs.TaskSpec]().Draw(t, "spec")
		for name, unmarshal := range map[string]func([]byte, any) error{"strict": Unmarshal, "lenient": UnmarshalMessage} {
			var read specs.TaskSpec
			if err := unmarshal(marshal(t, spec), &read); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if diff := cmp.Diff(spec, read, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s: %s", name, diff)
			}
			if HashTaskSpec(read) != HashTaskSpec(spec) {
				t.Fatalf("%s: the hash has changed", name)
			}
		}
	})
}

func TestTimesAreReadToTheNanosecondInUTC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, "hours")*3600)
		task := specs.Task{Created: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(zone)}
		var read specs.Task
		if err := Unmarshal(marshal(t, task), &read); err != nil {
			t.Fatal(err)
		}
		if !read.Created.Equal(task.Created) || read.Created.Location() != time.UTC {
			t.Fatalf("%v was read as %v", task.Created, read.Created)
		}
		if utc := (specs.Task{Created: task.Created.UTC()}); !bytes.Equal(marshal(t, utc), marshal(t, task)) {
			t.Fatal("the zone is in the bytes")
		}
	})
}

func TestTheZeroTimeIsRead(t *testing.T) {
	var read specs.Task
	if err := Unmarshal(marshal(t, specs.Task{}), &read); err != nil || !read.Created.IsZero() {
		t.Errorf("got %v, %v", read.Created, err)
	}
}

func TestReaders(t *testing.T) {
	unknown := marshal(t, map[string]any{"image": "nginx", "colour": "red"})
	twice, _ := hex.DecodeString("a2" + "6475736572" + "6161" + "6475736572" + "6162") // {"user": "a", "user": "b"}
	noText, _ := hex.DecodeString("a1" + "6475736572" + "62fffe")                      // {"user": "\xff\xfe"}
	for name, c := range map[string]struct {
		data            []byte
		strict, lenient string // in the error; empty is none
	}{
		"unknown field": {unknown, "unknown field", ""},
		"field twice":   {twice, "duplicate map key", "duplicate map key"},
		"not UTF-8":     {noText, "", ""},
		"cut":           {unknown[:5], "EOF", "EOF"},
		"more behind":   {append(marshal(t, specs.TaskSpec{}), 0), "extraneous data", "extraneous data"},
	} {
		t.Run(name, func(t *testing.T) {
			var spec specs.TaskSpec
			wantError(t, "strict", Unmarshal(c.data, &spec), c.strict)
			wantError(t, "lenient", UnmarshalMessage(c.data, &spec), c.lenient)
		})
	}
}

func wantError(t *testing.T, reader string, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%s: got %v, want %q", reader, err, want)
	}
}

func TestStreams(t *testing.T) {
	var buf bytes.Buffer
	enc := NewEncoder(&buf)
	for _, v := range []any{1, specs.TaskSpec{Image: "a"}, Raw(marshal(t, specs.TaskSpec{Image: "b"})), map[string]any{"colour": 1}} {
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	dec := NewDecoder(&buf)
	var n int
	var a, b, c specs.TaskSpec
	if err := dec.Decode(&n); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	for _, spec := range []*specs.TaskSpec{&a, &b} {
		if err := dec.Decode(spec); err != nil {
			t.Fatal(err)
		}
	}
	if a.Image != "a" || b.Image != "b" {
		t.Errorf("got %q and %q", a.Image, b.Image)
	}
	wantError(t, "stream", dec.Decode(&c), "unknown field")
	if err := NewDecoder(&buf).Decode(&c); err != io.EOF {
		t.Errorf("got %v at the end, want EOF", err)
	}
}

func marshal(t interface {
	Helper()
	Fatal(...any)
}, v any) []byte {
	t.Helper()
	data, err := Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
