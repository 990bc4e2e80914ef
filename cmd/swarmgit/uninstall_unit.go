package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// systemdUnits is where a machine's own units lie.
const systemdUnits = "/etc/systemd/system"

const unitName = "swarmgit.service"

// findUnit returns the path of the unit below dir that runs the daemon of a data
// directory, as "daemon unit" writes it; "" if there is none.
func findUnit(dir, dataDir string) (string, error) {
	path := filepath.Join(dir, unitName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at the systemd unit: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "ExecStart=") && strings.HasSuffix(line, " daemon --data-dir "+unitWord(dataDir)) {
			return path, nil
		}
	}
	return "", nil
}

// removeUnit has systemd, where that runs, stop and forget the unit.
func removeUnit(ctx context.Context, path string) error {
	_, err := os.Stat("/run/systemd/system") // see sd_booted(3)
	booted := err == nil && filepath.Dir(path) == systemdUnits
	if booted {
		if err := systemctl(ctx, "disable", "--now", unitName); err != nil {
			return err
		}
	}
	wanted := filepath.Join(filepath.Dir(path), "multi-user.target.wants", unitName)
	for _, name := range []string{wanted, path} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if booted {
		return systemctl(ctx, "daemon-reload")
	}
	return nil
}

func systemctl(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
