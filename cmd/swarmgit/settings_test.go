package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
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
	if err := recall(daemonFlags(t), dir); err == nil || !strings.Contains(err.Error(), settingsPath(dir)+": ") ||
		!strings.Contains(err.Error(), "remove the file and give its flags again") {
		t.Errorf("got %v", err)
	}
}

// A daemon is started again, and asked, from other directories.
func TestPathsAreGoodFromEveryDirectory(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	flags := daemonFlags(t, "--data-dir", "data", "--socket", "./sock", "--containerd", "../c.sock")
	if err := os.Mkdir("data", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := remember(flags, "data"); err != nil {
		t.Fatal(err)
	}
	saved, err := readSettings("data")
	dataDir := flags.Lookup("data-dir").Value.String()
	want := map[string][]string{"socket": {here + "/sock"}, "containerd": {filepath.Dir(here) + "/c.sock"}}
	if diff := cmp.Diff(want, saved); err != nil || diff != "" || dataDir != here+"/data" {
		t.Errorf("--data-dir %s, %v (-want +got):\n%s", dataDir, err, diff)
	}
	if managed := daemonFlags(t, "--containerd", "managed").Lookup("containerd").Value.String(); managed != "managed" {
		t.Errorf("--containerd %s", managed)
	}
	if err := daemonCommand().Flags().Parse([]string{"--data-dir", ""}); err == nil {
		t.Error("the directory here is taken for the data directory")
	}
}

func TestDefaultDataDirWithoutAHome(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_DATA_HOME"} {
		t.Setenv(name, "")
	}
	if dir := defaultDataDir(); !filepath.IsAbs(dir) {
		t.Errorf("the data lies in %s, wherever that is", dir)
	}
}

func TestBeginningThatIsHalfSaid(t *testing.T) {
	for want, opt := range map[string]daemonOptions{
		"--join needs the --token": {join: []string{"10.0.0.1"}},
		"name a manager with":      {token: "SWMTKN-1-x"},
		"--name must not be empty": {init: true},
	} {
		if _, err := opt.beginning(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
