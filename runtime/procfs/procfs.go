// Package procfs names the processes of this machine so that none is taken for
// another: process numbers are used again. Whoever keeps a process beyond the
// life of its parent writes down a [Process] and finds it by that.
package procfs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is a process for as long as the machine is up; after a boot the same
// number and time may be another's, see [BootID].
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // ticks since boot
}

// Stat is a process that lives, and whose it is.
type Stat struct {
	Process
	Parent  int
	Session int
}

// Self is the calling process.
func Self() (Process, error) {
	stat, err := LookUp(os.Getpid())
	return stat.Process, err
}

// LookUp finds the process that has the number now. One that has ended and is
// not reaped yet is not found.
func LookUp(pid int) (Stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, err
	}
	// The name in parentheses may hold anything. The fields after it are
	// numbered from 3, the state; 4 is the parent, 6 the session, 20 the number
	// of threads, 22 the start time. A process whose first thread has ended
	// holds its files until the others have.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return Stat{}, fmt.Errorf("read /proc/%d/stat: too short", pid)
	}
	if string(fields[0]) == "Z" && string(fields[17]) == "1" {
		return Stat{}, fmt.Errorf("process %d has ended: %w", pid, os.ErrProcessDone)
	}
	s := Stat{Process: Process{PID: pid}}
	_, err = fmt.Sscan(string(bytes.Join([][]byte{fields[1], fields[3], fields[19]}, []byte(" "))), &s.Parent, &s.Session, &s.Start)
	return s, err
}

// Lives reports whether the process has not ended.
func (p Process) Lives() bool {
	now, err := LookUp(p.PID)
	return err == nil && now.Process == p
}

// All returns the processes that live, those of other users too.
func All() ([]Stat, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	all := make([]Stat, 0, len(dirs))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if stat, err := LookUp(pid); err == nil { // else it has just ended
			all = append(all, stat)
		}
	}
	return all, nil
}

// Find returns the processes that were started by a command line that matches,
// those of other users too.
func Find(matches func(args []string) bool) (found []Process, err error) {
	all, err := All()
	for _, stat := range all {
		if matches(stat.Arguments()) {
			found = append(found, stat.Process)
		}
	}
	return found, err
}

// Arguments is the command line of the process's program, nil if it has ended.
func (p Process) Arguments() []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
	if err != nil || len(text) == 0 || !p.Lives() {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
}

// Environ is the environment that the process's program was started with, nil
// if it has ended or is not ours to read.
func (p Process) Environ() []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.PID))
	if err != nil || !p.Lives() {
		return nil
	}
	return strings.Split(string(text), "\x00")
}

// BootID tells one boot of the machine from the next.
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}
