package containerd

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/containerd/v2/client"

	"github.com/swarmgit/swarmgit/runtime/procfs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// ManagedConfig says where a private containerd keeps its things.
type ManagedConfig struct {
	// DataDir is the node's data directory. Images and snapshots lie in
	// DataDir/containerd.
	DataDir string
	// RunDir holds the socket and what does not outlive a reboot. Empty is
	// /run/swarmgit/<hash of DataDir>: a socket's path has at most 107 bytes,
	// a data directory's may be longer.
	RunDir string
	Log    *slog.Logger
}

// Managed supervises a private containerd. The containerd outlives it, as it
// outlives the daemon: it has a session of its own, and the next Managed with
// the same directories adopts it.
type Managed struct {
	config  ManagedConfig
	log     *slog.Logger
	binary  string         // set by Start
	hash    string         // of the data directory
	process procfs.Process // zero: none was started or found; used by Start, then by Run, then by Shutdown

	logPeriod time.Duration // between looks at the log
}

// maxSocketPath is what the kernel allows.
const maxSocketPath = 107

// startTimeout bounds the time from the start of containerd to its first answer.
const startTimeout = 30 * time.Second

// NewManaged starts nothing, and needs nothing to be installed yet.
func NewManaged(config ManagedConfig) (*Managed, error) {
	dataDir, err := filepath.Abs(config.DataDir)
	if err != nil {
		return nil, err
	}
	config.DataDir = dataDir
	hash := hashOf(dataDir)
	if config.RunDir == "" {
		config.RunDir = "/run/swarmgit/" + hash
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	m := &Managed{config: config, log: config.Log, hash: hash, logPeriod: logPeriod}
	if len(m.Socket()) > maxSocketPath {
		return nil, fmt.Errorf("socket path %s is longer than %d bytes: choose a shorter run directory", m.Socket(), maxSocketPath)
	}
	return m, nil
}

// Installed says what a private containerd lacks on this machine, nil if nothing.
func Installed() error {
	_, err := findBinaries()
	return err
}

const containerdProgram = "containerd"

// findBinaries returns the path of containerd.
func findBinaries() (string, error) {
	var missing []string
	paths := map[string]string{}
	for _, name := range []string{containerdProgram, "containerd-shim-runc-v2", "runc"} {
		path, err := exec.LookPath(name)
		if err != nil {
			missing = append(missing, name)
		}
		paths[name] = path
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("%s not found in PATH: install containerd and runc (Debian and Ubuntu: apt install containerd runc)",
			strings.Join(missing, ", "))
	}
	return paths[containerdProgram], nil
}

func hashOf(dataDir string) string {
	sum := fnv.New32a()
	sum.Write([]byte(dataDir))
	return fmt.Sprintf("%08x", sum.Sum32())
}

// EngineConfig is the configuration of an Engine over the private containerd.
// The caller adds its Logs.
func (m *Managed) EngineConfig() Config {
	return Config{
		Socket:       m.Socket(),
		Dir:          filepath.Join(m.config.DataDir, "executor"),
		RuncRoot:     filepath.Join(m.config.RunDir, "runc"),
		State:        m.state(),
		CgroupParent: path.Join(DefaultCgroupParent, m.hash),
		Log:          m.log,
	}
}

// Socket is where the private containerd answers.
func (m *Managed) Socket() string { return filepath.Join(m.config.RunDir, "containerd.sock") }

func (m *Managed) configPath() string { return filepath.Join(m.config.RunDir, "containerd.toml") }
func (m *Managed) root() string       { return filepath.Join(m.config.DataDir, "containerd") }
func (m *Managed) state() string      { return filepath.Join(m.config.RunDir, "state") }

// LogPath is where the private containerd writes what it has to say.
func (m *Managed) LogPath() string { return filepath.Join(m.config.DataDir, "containerd.log") }

// Start adopts the private containerd if it lives, else starts it, and returns
// once it answers.
func (m *Managed) Start(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("a private containerd needs root: run the daemon as root")
	}
	var err error
	if m.binary, err = findBinaries(); err != nil {
		return err
	}
	lives, err := m.adopt(ctx)
	if err != nil || lives {
		return err
	}
	return m.launch(ctx)
}

// adopt takes over the private containerd, if it lives, once it answers.
func (m *Managed) adopt(ctx context.Context) (lives bool, err error) {
	found, err := m.living()
	if err != nil || len(found) == 0 {
		return false, err
	}
	m.process = found[0]
	m.log.InfoContext(ctx, "private containerd adopted", "pid", m.process.PID, "socket", m.Socket())
	return true, m.await(ctx)
}

// living are the processes of the private containerd: one at most, unless somebody
// has started another.
func (m *Managed) living() (found []procfs.Process, err error) {
	all, err := procfs.All()
	if err != nil {
		return nil, fmt.Errorf("look for a running private containerd: %w", err)
	}
	for _, p := range all {
		if m.isOurs(p) {
			found = append(found, p.Process)
		}
	}
	return found, nil
}

// Run keeps the private containerd alive, and its log short, until ctx ends, and
// leaves it running then. Call it after Start.
func (m *Managed) Run(ctx context.Context) error {
	for {
		if err := m.ended(ctx); err != nil {
			return err
		}
		m.log.WarnContext(ctx, "private containerd has died, starting it again", "pid", m.process.PID, "log", m.LogPath())
		if err := m.relaunch(ctx); err != nil {
			return err
		}
	}
}

// ended waits for the end of the process and looks after its log meanwhile.
func (m *Managed) ended(ctx context.Context) error {
	for {
		patience, cancel := context.WithTimeout(ctx, m.logPeriod)
		err := m.process.Wait(patience)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		if err := shorten(m.LogPath()); err != nil {
			m.log.WarnContext(ctx, "the private containerd's log grows", "log", m.LogPath(), "err", err)
		}
	}
}

// relaunchDelay keeps a containerd that cannot start from taking the machine.
const relaunchDelay = time.Second

// relaunch starts the private containerd until it answers or ctx ends.
func (m *Managed) relaunch(ctx context.Context) error {
	for {
		err := m.revive(ctx)
		if err == nil {
			return nil
		}
		m.log.ErrorContext(ctx, "private containerd does not start", "err", err)
		if err := bell.Sleep(ctx, relaunchDelay); err != nil {
			return err
		}
	}
}

// revive starts the private containerd, or goes on waiting for one that was started
// and takes long: with many containers on a busy machine it may.
func (m *Managed) revive(ctx context.Context) error {
	if m.process.Lives() {
		return m.await(ctx)
	}
	return m.launch(ctx)
}

// isOurs reports whether a process is our private containerd: only it has our
// configuration, and a session of its own. What it starts has its command line too,
// until that is another program.
func (m *Managed) isOurs(p procfs.Stat) bool {
	args := p.Arguments()
	return p.Session == p.PID && len(args) == 3 && filepath.Base(args[0]) == containerdProgram &&
		args[1] == "--config" && args[2] == m.configPath()
}

// launch starts a containerd and waits until it answers.
func (m *Managed) launch(ctx context.Context) error {
	if err := m.writeConfig(); err != nil {
		return fmt.Errorf("write the private containerd's configuration: %w", err)
	}
	out, err := openLog(m.LogPath())
	if err != nil {
		return fmt.Errorf("open the private containerd's log: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(m.binary, "--config", m.configPath())
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the private containerd: %w", err)
	}
	started, err := procfs.LookUp(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }() // for as long as it lives, so that it leaves no zombie
	if err != nil {
		return m.endedAtOnce()
	}
	m.process = started.Process
	m.log.InfoContext(ctx, "private containerd started", "pid", m.process.PID, "socket", m.Socket())
	return m.await(ctx)
}

// await waits until the process answers. One that dies or does not answer in
// time is an error; it is left alone then.
func (m *Managed) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	c, err := client.New(m.Socket(), client.WithTimeout(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		if _, err = c.Version(ctx); err == nil {
			return nil
		}
		if !m.process.Lives() {
			return m.endedAtOnce()
		}
		if bell.Sleep(ctx, 10*time.Millisecond) != nil {
			return fmt.Errorf("the private containerd (process %d) does not answer: see %s: %w", m.process.PID, m.LogPath(), err)
		}
	}
}

func (m *Managed) endedAtOnce() error {
	return fmt.Errorf("the private containerd ended at once: see %s", m.LogPath())
}

// disabledPlugins are those that only cost: Kubernetes' interface, snapshotters
// that we do not use, and a directory outside of our own.
const disabledPlugins = `[
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.grpc.v1.sandbox-controllers", "io.containerd.podsandbox.controller.v1.podsandbox",
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.erofs"
]`

func (m *Managed) writeConfig() error {
	for _, dir := range []string{m.config.RunDir, m.root()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(`# Written by swarmgit at every start of its private containerd.
version = 2
root = %q
state = %q
disabled_plugins = %s
[grpc]
  address = %q
[debug]
  level = "warn"
`, m.root(), m.state(), disabledPlugins, m.Socket())
	return os.WriteFile(m.configPath(), []byte(text), 0o600)
}
