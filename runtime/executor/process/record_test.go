package process

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Why a program never ran is on disk whatever the words are made of: its supervisor
// ends once they are.
func TestARefusalFitsIntoItsSlot(t *testing.T) {
	for name, words := range map[string]string{
		"short": "exec web: no such file\nor directory", "long": strings.Repeat("x", 2*slotSize),
		"of what JSON writes long": strings.Repeat("<", 2*slotSize), "of more than a byte each": strings.Repeat("€", slotSize),
		"not UTF-8": strings.Repeat("\xff", 2*slotSize),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := makeRecord(dir); err != nil {
				t.Fatal(err)
			}
			record, err := os.OpenFile(filepath.Join(dir, recordFile), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer record.Close()
			said := refusal(errors.New(words))
			if err := writeSlot(record, endSlot, said); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(record.Name())
			if err != nil {
				t.Fatal(err)
			}
			var read ending
			if !readSlot(text, endSlot, &read) || read != said || read.Code != startFails {
				t.Errorf("wrote %+v, read %+v", said, read)
			}
			if words := "exec web: no such file; or directory"; name == "short" && read.Refused != words {
				t.Errorf("it says %q", read.Refused)
			}
		})
	}
}
