package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the wanted parts of testdata/*.txtar")

// TestGolden loads the tree of each archive in testdata and compares with its
// part "want": every problem and warning as the user sees it. An archive with a
// part "want/stacks" also wants the stacks.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives: ", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tree, want := fstest.MapFS{}, map[string]*txtar.File{}
			for i, f := range archive.Files {
				if strings.HasPrefix(f.Name, "want") {
					want[f.Name] = &archive.Files[i]
				} else {
					tree[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			result := Load(context.Background(), tree, Options{})
			got := map[string]string{"want": said(result), "want/stacks": stacksText(t, result)}
			for part, wanted := range want {
				if diff := cmp.Diff(string(wanted.Data), got[part]); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", part, diff)
				}
				wanted.Data = []byte(got[part])
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func said(r Result) string {
	var b strings.Builder
	for _, p := range r.Problems {
		mark := ""
		if p.Partial {
			mark = "partial: "
		}
		fmt.Fprintf(&b, "%s%s\n", mark, p)
	}
	for _, p := range r.Warnings {
		fmt.Fprintf(&b, "! %s\n", p)
	}
	return b.String()
}

func stacksText(t *testing.T, r Result) string {
	t.Helper()
	var b bytes.Buffer
	for _, s := range r.Stacks {
		for _, service := range s.Services {
			task := s.Tasks[service.Task]
			service.Task = "" // the hash is the encoding's affair
			for _, v := range []any{service, task} {
				text, err := json.MarshalIndent(v, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				b.Write(append(text, '\n'))
			}
		}
	}
	return b.String()
}
