package main

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"
)

// daemonFlags parses a daemon's command line.
func daemonFlags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := daemonCommand().Flags()
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

func TestSettingsAreRemembered(t *testing.T) {
	dir := t.TempDir()
	first := daemonFlags(t, "--http", "127.0.0.1:9", "--label", "zone=a", "--label", "disk=ssd, big")
	if err := recall(first, dir); err != nil {
		t.Fatal(err)
	}
	if err := remember(first, dir); err != nil {
		t.Fatal(err)
	}
	again := daemonFlags(t, "--containerd", "/run/c.sock")
	if err := recall(again, dir); err != nil {
		t.Fatal(err)
	}
	if http, err := again.GetString("http"); err != nil || http != "127.0.0.1:9" {
		t.Errorf("--http %s, %v", http, err)
	}
	if labels, err := again.GetStringArray("label"); err != nil || !slices.Equal(labels, []string{"zone=a", "disk=ssd, big"}) {
		t.Errorf("--label %q, %v", labels, err)
	}
	if err := remember(again, dir); err != nil {
		t.Fatal(err)
	}
	third := daemonFlags(t, "--http", "127.0.0.1:10")
	if err := recall(third, dir); err != nil {
		t.Fatal(err)
	}
	if http, _ := third.GetString("http"); http != "127.0.0.1:10" {
		t.Errorf("a flag that is given is not used: --http %s", http)
	}
	if socket, _ := third.GetString("containerd"); socket != "/run/c.sock" {
		t.Errorf("a setting of the second start is forgotten: --containerd %s", socket)
	}
}

// A node whose disk is full starts as it did, and keeps what it knows.
func TestSettingsOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := remember(daemonFlags(t, "--http", "127.0.0.1:9"), dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", settingsPath(dir)+newSuffix); err != nil {
		t.Fatal(err)
	}
	same := daemonFlags(t)
	if err := errors.Join(recall(same, dir), remember(same, dir)); err != nil {
		t.Errorf("with nothing to write: %v", err)
	}
	if err := remember(daemonFlags(t, "--http", "127.0.0.1:10"), dir); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v, want that there is no room", err)
	}
	after := daemonFlags(t)
	if err := recall(after, dir); err != nil {
		t.Fatal(err)
	}
	if http, _ := after.GetString("http"); http != "127.0.0.1:9" {
		t.Errorf("--http %s is left", http)
	}
}

func TestDamagedSettings(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(settingsPath(dir), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := recall(daemonFlags(t), dir); err == nil || !strings.Contains(err.Error(), "remove the file and give its flags again") {
		t.Errorf("got %v", err)
	}
}
