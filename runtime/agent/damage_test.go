package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/swarmgit/swarmgit/specs"
)

// What the machine or the disk has done to a part of the file must not end the daemon,
// at every start anew.
func TestAMemoryThatIsDamagedInPartIsSetAside(t *testing.T) {
	const page, damaged = 4096, 6
	for name, damage := range map[string]func([]byte) []byte{
		"a page of zeros": func(file []byte) []byte {
			clear(file[damaged*page : (damaged+1)*page])
			return file
		},
		"a page of ones": func(file []byte) []byte {
			copy(file[damaged*page:], bytes.Repeat([]byte{0xff}, page))
			return file
		},
		"a page at the wrong place": func(file []byte) []byte {
			copy(file[damaged*page:(damaged+1)*page], file[(damaged+1)*page:])
			return file
		},
		"cut off":                             func(file []byte) []byte { return file[:damaged*page] },
		"all of it cut off but the beginning": func(file []byte) []byte { return file[:page/2] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), memoryFile)
			m, err := openMemory(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 1000 {
				m.put(fmt.Sprintf("task%021d", i), inState(specs.StateRunning))
			}
			if err := m.write(); err != nil {
				t.Fatal(err)
			}
			if err := m.close(); err != nil {
				t.Fatal(err)
			}
			sound, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(sound), 0o600); err != nil {
				t.Fatal(err)
			}
			m, was, err := recall(t.Context(), path, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer m.close()
			if len(was.rows) > 0 {
				t.Errorf("knows %d tasks of a memory that is damaged", len(was.rows))
			}
			wantRows(t, m, nil)
			if _, err := os.Stat(path + ".damaged"); err != nil {
				t.Error(err)
			}
		})
	}
}
