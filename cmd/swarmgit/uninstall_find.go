package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/runtime/identity"
)

// holdings is what swarmgit has on this machine for one data directory.
type holdings struct {
	unit   string // of systemd
	socket string // that a killed daemon has left
	theirs string // socket of the containerd of somebody else that it used
	mute   error  // why that one cannot be looked at

	node    bool               // the machine is one, or something of one is left outside
	outside []containerd.Piece // all that runs or lies outside of the data directory
	data    []string           // names in the data directory that are ours
	strange []string           // names there that are not
}

// find looks for all that there is. It changes nothing that matters.
func (u *uninstall) find(ctx context.Context) (h holdings, err error) {
	if h.unit, err = findUnit(u.units, u.dataDir); err != nil {
		return h, err
	}
	if h.outside, err = ofTheMachine(u.dataDir); err != nil {
		return h, err
	}
	if err := u.findData(&h); err != nil {
		return h, err
	}
	if h.node {
		err = u.ofTheNode(ctx, &h)
	}
	if h.unit != "" {
		h.outside = append(h.outside, containerd.Piece{Kind: "unit", Name: h.unit})
	}
	return h, err
}

// ofTheMachine is what carries the name of the data directory outside of it. It is
// found even if somebody has removed the directory itself.
func ofTheMachine(dataDir string) ([]containerd.Piece, error) {
	managed, err := containerd.NewManaged(containerd.ManagedConfig{DataDir: dataDir, Log: quietLog()})
	if err != nil {
		return nil, err
	}
	pieces, err := managed.Pieces()
	if err != nil {
		return nil, err
	}
	for _, place := range secretsDir(dataDir).Present() {
		pieces = append(pieces, containerd.Piece{Kind: "secrets", Name: place})
	}
	if group := processCgroup(dataDir); cgroup.Find(cgroup.Root).Exists(group) {
		pieces = append(pieces, containerd.Piece{Kind: "cgroup", Name: group})
	}
	return pieces, nil
}

// ofTheNode is what only the data directory knows of.
func (u *uninstall) ofTheNode(ctx context.Context, h *holdings) error {
	add := func(kind, format string, args ...any) {
		h.outside = append(h.outside, containerd.Piece{Kind: kind, Name: fmt.Sprintf(format, args...)})
	}
	own, err := ofItsOwn(ctx, u.dataDir)
	if err != nil {
		return err
	}
	h.outside = append(h.outside, own...)
	settings, err := readSettings(u.dataDir)
	if err != nil {
		return fmt.Errorf("read the node's settings: %w: mend or remove the file: it says which containerd it used", err)
	}
	h.theirs = setting(settings, "containerd", managedContainerd)
	if h.theirs == managedContainerd {
		h.theirs = ""
	} else if h.mute = u.inTheirs(ctx, h.theirs, func(engine *containerd.Engine) error {
		found, err := engine.List(ctx)
		for _, task := range found {
			add("container", "%s in the containerd at %s", task.ID, h.theirs)
		}
		return err
	}); ctx.Err() != nil {
		return ctx.Err()
	}
	if path := setting(settings, "socket", defaultSocket()); deadSocket(path) {
		h.socket = path
		add("socket", "%s", path)
	}
	return nil
}

// ofItsOwn is what runs for the node without a containerd.
func ofItsOwn(ctx context.Context, dataDir string) (pieces []containerd.Piece, err error) {
	logs := newNodeLogs(dataDir, quietLog())
	if keeper, lives := logs.Living(); lives {
		pieces = append(pieces, containerd.Piece{Kind: "log keeper", Name: fmt.Sprintf("process %d", keeper.PID)})
	}
	if tasks, _ := os.ReadDir(filepath.Join(dataDir, "processes")); len(tasks) == 0 {
		return pieces, nil
	}
	processes, err := openProcesses(dataDir, quietLog(), logs)
	if err != nil {
		return nil, err
	}
	found, err := processes.List(ctx)
	for _, task := range found {
		pieces = append(pieces, containerd.Piece{Kind: "process", Name: fmt.Sprintf("%s (process %d)", task.ID, task.PID)})
	}
	return pieces, err
}

// setting is the value of a flag that the node remembers, or its default.
func setting(settings map[string][]string, name, byDefault string) string {
	if values := settings[name]; len(values) > 0 {
		return values[0]
	}
	return byDefault
}

// inTheirs calls f with our engine in a containerd of somebody else.
func (u *uninstall) inTheirs(ctx context.Context, socket string, f func(*containerd.Engine) error) error {
	engine, err := containerd.Open(ctx, containerd.Config{Socket: socket, Dir: filepath.Join(u.dataDir, "executor"), Log: quietLog()})
	if err != nil {
		return err
	}
	return errors.Join(f(engine), engine.Close())
}

// findData sorts the names in the data directory. Where no node is, ours is only
// what one that left its cluster has kept: a directory that a slip has named may
// hold names like ours of other programs, and even a lock.
func (u *uninstall) findData(h *holdings) error {
	h.node = len(h.outside) > 0 || u.locked() && u.isNode()
	entries, err := os.ReadDir(u.dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into the data directory: %w", err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	ours := ownNames(names, h.node, u.locked())
	for _, name := range names {
		if slices.Contains(ours, name) {
			h.data = append(h.data, name)
		} else if len(ours) > 0 {
			h.strange = append(h.strange, name)
		}
	}
	return nil
}

// locked reports whether a daemon has ever had the data directory.
func (u *uninstall) locked() bool {
	info, err := os.Lstat(filepath.Join(u.dataDir, lockName))
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// isNode reports whether the machine is a node by the data directory, or was about
// to be one.
func (u *uninstall) isNode() bool {
	if _, err := identity.Load(identityDir(u.dataDir)); !errors.Is(err, identity.ErrNone) {
		return true
	}
	_, err := readFirst(firstPath(u.dataDir))
	return err == nil
}

// ownNames are those of a data directory's names that swarmgit gave.
func ownNames(names []string, node, locked bool) (own []string) {
	kept := slices.Contains(names, containerdLog)
	for _, name := range names {
		switch {
		case name == lockName && locked,
			kept && locked && (name == containerdName || name == containerdLog),
			node && (name == containerdName || name == containerdLog || name == identityName || slices.Contains(clusterState, name) ||
				slices.Contains(wholeFiles, strings.TrimSuffix(name, newSuffix))):
			own = append(own, name)
		}
	}
	return own
}
