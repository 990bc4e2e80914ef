package reconciler

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

// A working tree whose files say that they are terabytes is refused before one of
// them is read: a small archive can hold them.
func TestAWorkingTreeHasItsSize(t *testing.T) {
	for _, c := range []struct {
		sizes []uint64
		want  string
	}{
		{[]uint64{1 << 29, 1 << 29}, ""},
		{[]uint64{1 << 29, 1 << 29, 1}, "larger than 1G"},
		{[]uint64{1 << 40}, "larger than 1G"},
		{[]uint64{1 << 29, 1<<64 - 1}, "larger than 1G"},
	} {
		var archive bytes.Buffer
		w := zip.NewWriter(&archive)
		for _, size := range c.sizes {
			if _, err := w.CreateRaw(&zip.FileHeader{Name: "stacks/shop/stack.yml", UncompressedSize64: size}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, _, err := (&Manager{}).planned(t.Context(), "", api.PlanRequest{Tree: archive.Bytes()})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.sizes, err, c.want)
		}
	}
}
