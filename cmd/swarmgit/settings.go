package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/pflag"
)

// kept are the flags that a node remembers: a restarted daemon needs only its
// data directory.
var kept = []string{"listen", "advertise", "http", "socket", "executor", "containerd", "label"}

// recall gives every kept flag that was not given the value that it had when the
// daemon of this data directory was last started with it.
func recall(flags *pflag.FlagSet, dataDir string) error {
	saved, err := readSettings(dataDir)
	if err != nil {
		return fmt.Errorf("read the node's settings: %w: remove the file and give its flags again", err)
	}
	for _, name := range kept {
		values, ok := saved[name]
		if !ok || flags.Changed(name) {
			continue
		}
		for _, value := range values {
			if err := flags.Set(name, value); err != nil {
				return fmt.Errorf("%s: %s: %w", settingsPath(dataDir), name, err)
			}
		}
	}
	return nil
}

// readSettings returns the values of the kept flags, none if none were ever kept.
func readSettings(dataDir string) (saved map[string][]string, err error) {
	text, err := os.ReadFile(settingsPath(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &saved); err != nil {
		return nil, fmt.Errorf("%s: %w", settingsPath(dataDir), err)
	}
	return saved, nil
}

// remember writes the kept flags that were given, now or at an earlier start. It
// needs no room on the disk when nothing has changed.
func remember(flags *pflag.FlagSet, dataDir string) error {
	given := map[string][]string{}
	for _, name := range kept {
		flag := flags.Lookup(name)
		if !flag.Changed {
			continue
		}
		given[name] = []string{flag.Value.String()}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			given[name] = list.GetSlice()
		}
	}
	text, err := json.MarshalIndent(given, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if before, err := os.ReadFile(settingsPath(dataDir)); err == nil && bytes.Equal(before, text) {
		return nil
	}
	if err := writeWhole(settingsPath(dataDir), text); err != nil {
		return fmt.Errorf("write the node's settings: %w", err)
	}
	return nil
}
