package containerd

import (
	"fmt"

	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
	"github.com/swarmgit/swarmgit/runtime/mounts"
	"github.com/swarmgit/swarmgit/runtime/procfs"
)

// Piece is one thing that a private containerd has on this machine outside of its
// data directory, in words for people.
type Piece struct{ Kind, Name string }

// HasRun reports whether the private containerd has been started since the machine
// was booted, and has not been shut down.
func (m *Managed) HasRun() bool {
	lives, err := m.living()
	return err != nil || len(lives) > 0 || pathExists(m.config.RunDir)
}

// Pieces lists all that Shutdown would end or take away. It starts nothing.
func (m *Managed) Pieces() ([]Piece, error) {
	pieces, err := m.processes()
	if err != nil {
		return nil, fmt.Errorf("look for the processes of a private containerd: %w", err)
	}
	if group := m.EngineConfig().CgroupParent; cgroup.Find(cgroup.Root).Exists(group) {
		pieces = append(pieces, Piece{"cgroup", group})
	}
	if !pathExists(m.config.RunDir) {
		return pieces, nil
	}
	for _, dir := range m.mountDirs() {
		below, err := mounts.Below(dir)
		if err != nil {
			return nil, err
		}
		for _, path := range below {
			pieces = append(pieces, Piece{"mount", path})
		}
	}
	return append(pieces, Piece{"directory", m.config.RunDir}), nil
}

// processes lists the containerd and, as what they run, its shims.
func (m *Managed) processes() (pieces []Piece, err error) {
	all, err := procfs.All()
	for _, p := range all {
		args := p.Arguments()
		switch {
		case m.isOurs(p):
			pieces = append(pieces, Piece{"containerd", fmt.Sprintf("process %d", p.PID)})
		case m.isShim(args):
			name := fmt.Sprintf("shim process %d", p.PID)
			if id := valueOf(args, "-id"); id != "" {
				name = fmt.Sprintf("%s (shim process %d)", id, p.PID)
			}
			pieces = append(pieces, Piece{"container", name})
		}
	}
	return pieces, err
}
