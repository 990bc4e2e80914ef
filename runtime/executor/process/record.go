package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs"
)

// The files of a task's directory.
const (
	programFile = "program.json" // whole, or not there
	recordFile  = "record"       // what became of it
)

// The record is a file of slots that are blank at first and written once, in
// place: a full disk keeps nobody from saying how a process ended. A slot that is
// torn reads as blank.
const (
	supervisorSlot = iota // procfs.Process, before anything is started
	mainSlot              // procfs.Process, once its program runs
	endSlot               // ending
	slots
)

const slotSize = 512 // bytes

// ending is how a task's process ended.
type ending struct {
	specs.Exit
	Refused string `json:"refused,omitempty"` // why its program never ran
}

// maxWords bounds what of an error goes into a slot, in bytes.
const maxWords = 300

// refusal is the ending of a program that never ran, with as many of the words as a
// slot has room for: JSON may take six bytes for one.
func refusal(why error) ending {
	words := strings.ReplaceAll(why.Error(), "\n", "; ")
	for most := maxWords; ; most /= 2 {
		end := ending{Exit: specs.Exit{Code: startFails}, Refused: strings.ToValidUTF8(words[:min(len(words), most)], "")}
		if text, err := json.Marshal(end); err == nil && len(text) < slotSize {
			return end
		}
	}
}

// state is all that the files of a task say.
type state struct {
	program    program
	supervisor procfs.Process // zero: never started
	main       procfs.Process // zero: its program does not run yet, or never did
	end        *ending
}

// makeRecord makes a blank record.
func makeRecord(dir string) error {
	blank := bytes.Repeat([]byte{' '}, slots*slotSize)
	return os.WriteFile(filepath.Join(dir, recordFile), blank, 0o600)
}

func writeSlot(record *os.File, slot int, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if len(text) > slotSize {
		return fmt.Errorf("%d bytes do not fit into a slot", len(text))
	}
	_, err = record.WriteAt(text, int64(slot)*slotSize)
	return err
}

// readSlot reports whether the slot is written.
func readSlot(record []byte, slot int, value any) bool {
	text := record[slot*slotSize:][:slotSize]
	end := bytes.IndexByte(text, '\n')
	return end > 0 && json.Unmarshal(text[:end], value) == nil
}

// errHalfMade says that a task's files are not all there.
var errHalfMade = errors.New("half made")

// readState reads a task's files: os.ErrNotExist if it has none, errHalfMade if
// they are not whole.
func readState(dir string) (s state, err error) {
	if _, err := os.Stat(dir); err != nil {
		return s, err
	}
	if s.program, err = readProgram(filepath.Join(dir, programFile)); err != nil {
		return s, err
	}
	record, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, os.ErrNotExist) || err == nil && len(record) != slots*slotSize {
		return s, errHalfMade
	}
	if err != nil {
		return s, err
	}
	readSlot(record, supervisorSlot, &s.supervisor)
	readSlot(record, mainSlot, &s.main)
	if end := new(ending); readSlot(record, endSlot, end) {
		s.end = end
	}
	return s, nil
}

// readProgram reads a program: errHalfMade if it is not whole.
func readProgram(path string) (p program, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && json.Unmarshal(text, &p) != nil {
		return p, errHalfMade
	}
	return p, err
}

// writeProgram makes the task whole.
func writeProgram(dir string, p program) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, programFile)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
