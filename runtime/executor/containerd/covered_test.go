package containerd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// A config where the program is, or a directory, is named: Docker's users search
// long for it.
func TestAConfigInTheWayIsNamed(t *testing.T) {
	b := newBench(t)
	source := filepath.Join(t.TempDir(), "0")
	if err := os.WriteFile(source, []byte("text"), 0o444); err != nil {
		t.Fatal(err)
	}
	executed := ": config shop_text lies at /bin/program, and no secret or config can be executed: give it another target, or an interpreter"
	nowhere := func(target string) string {
		return "prepare: config shop_text cannot be at " + target + ": the image has a directory there, or a file above it: give it another target"
	}
	for _, tc := range []struct {
		target     string
		mode       os.FileMode
		entrypoint string
		want       string // how it ends; before that are the words of this runc
	}{
		{"/bin/program", 0o444, "", executed},
		{"/bin/program", 0o555, "", executed},
		{"/bin/program", 0o444, "program", executed},
		{"/etc", 0o444, "", nowhere("/etc")},
		{"/bin/program/text", 0o444, "", nowhere("/bin/program/text")},
		{"/text", 0o444, "/none", `prepare: exec: "/none": executable file not found in the image`},
		{"/bin/text", 0o444, "", ""},
	} {
		spec := specs.TaskSpec{Command: []string{"print=x"}, Configs: []specs.FileRef{{Name: "shop_text", Target: tc.target}}}
		if tc.entrypoint != "" {
			spec.Entrypoint = []string{tc.entrypoint}
		}
		if err := os.Chmod(source, tc.mode); err != nil {
			t.Fatal(err)
		}
		task := b.task(t, spec)
		task.Files = []executor.File{{Source: source, Target: tc.target}}
		got := ""
		if err := b.Prepare(t.Context(), task, nil); err != nil {
			got = err.Error()
		}
		if !strings.HasSuffix(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("at %s for %q:\ngot  %s\nwant %s", tc.target, tc.entrypoint, got, tc.want)
		}
	}
}
