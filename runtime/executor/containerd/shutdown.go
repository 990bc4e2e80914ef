package containerd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/namespaces"

	"github.com/swarmgit/swarmgit/runtime/executor/cgroup"
	"github.com/swarmgit/swarmgit/runtime/mounts"
	"github.com/swarmgit/swarmgit/runtime/procfs"
)

// stopTimeout is how long containerd may take to end by itself.
const stopTimeout = 10 * time.Second

// Shutdown ends the private containerd for good and takes away all that it has
// made outside of the data directory: tasks, shims, mounts, cgroups, sockets. It
// is for those who leave: the demo, dev, an uninstall. Call it after Run. What it
// could not take away is in the error, and the next call goes on with it.
func (m *Managed) Shutdown(ctx context.Context) error {
	var errs []error
	if err := m.endTasks(ctx); err != nil {
		errs = append(errs, fmt.Errorf("end the tasks of the private containerd: %w", err))
	}
	if err := m.endContainerd(ctx); err != nil {
		errs = append(errs, fmt.Errorf("end the private containerd: %w", err))
	}
	errs = append(errs, m.endShims(), m.endStrays(ctx))
	for _, dir := range m.mountDirs() {
		errs = append(errs, unmountBelow(dir))
	}
	errs = append(errs, cgroup.Find(cgroup.Root).RemoveOwn(m.EngineConfig().CgroupParent), removeRunDir(m.config.RunDir))
	if others, err := procfs.Find(isContainerd); err == nil && len(others) == 0 {
		removeSockets(shimSockets)
	}
	return errors.Join(errs...)
}

// shimSockets is where the shims of every containerd of the machine have their
// sockets, whatever its configuration says.
const shimSockets = "/run/containerd/s"

// isContainerd reports whether a command line is that of any containerd, or of a shim.
func isContainerd(args []string) bool {
	return len(args) > 0 && strings.Contains(filepath.Base(args[0]), containerdProgram)
}

// removeSockets removes the directory, and the one above it, if shims of ours alone
// have made them: nothing is left in it, and no containerd has been beside it. Another
// one's would be made again; so it is not worth a word if it stays.
func removeSockets(dir string) {
	above := filepath.Dir(dir)
	if beside, err := os.ReadDir(above); err != nil || len(beside) != 1 || beside[0].Name() != filepath.Base(dir) {
		return
	}
	if os.Remove(dir) == nil {
		_ = os.Remove(above) // as above
	}
}

// mountDirs are the directories below which every mount is ours.
func (m *Managed) mountDirs() []string {
	return []string{m.config.RunDir, m.root(), m.EngineConfig().Dir}
}

// removeRunDir removes the directory, unless something is mounted in it, and the
// one of all nodes above it if it is empty then.
func removeRunDir(dir string) error {
	if err := mounts.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Dir(dir)); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// endTasks removes every task and container of a private containerd, which it
// starts for that if it is dead: only it knows them.
func (m *Managed) endTasks(ctx context.Context) error {
	if !pathExists(m.config.RunDir) {
		return nil
	}
	// One that lives is asked whatever has become of its program since.
	lives, err := m.adopt(ctx)
	if err == nil && !lives {
		err = m.Start(ctx)
	}
	if err != nil {
		return err
	}
	c, err := client.New(m.Socket(), client.WithTimeout(reconnectDelay))
	if err != nil {
		return err
	}
	defer c.Close()
	names, err := c.NamespaceService().List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, endNamespace(namespaces.WithNamespace(ctx, name), c))
	}
	return errors.Join(errs...)
}

func endNamespace(ctx context.Context, c *client.Client) error {
	records, err := c.ContainerService().List(ctx)
	if err != nil {
		return err
	}
	tasks := c.TaskService()
	var errs []error
	for _, r := range records {
		_, killed := tasks.Kill(ctx, &tasksapi.KillRequest{ContainerID: r.ID, Signal: uint32(syscall.SIGKILL), All: true})
		if killed == nil {
			_, err := tasks.Wait(ctx, &tasksapi.WaitRequest{ContainerID: r.ID})
			errs = append(errs, err)
		}
		if _, err := tasks.Delete(ctx, &tasksapi.DeleteTaskRequest{ContainerID: r.ID}); err != nil && !gone(err) && !shimKilled(err) {
			errs = append(errs, err)
		}
		errs = append(errs, c.ContainerService().Delete(ctx, r.ID))
	}
	return errors.Join(errs...)
}

// endContainerd ends every process of the private containerd: nobody would find one
// that is left, once its directories are gone.
func (m *Managed) endContainerd(ctx context.Context) error {
	lives, err := m.living()
	errs := []error{err}
	for _, p := range lives {
		errs = append(errs, endProcess(ctx, p))
	}
	return errors.Join(errs...)
}

// endProcess asks the process to end, and kills it if it does not.
func endProcess(ctx context.Context, p procfs.Process) error {
	patience, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if p.Wait(patience) == nil {
		return nil
	}
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// endShims kills the shims that still serve our socket, and only those.
func (m *Managed) endShims() error {
	for {
		shims, err := procfs.Find(m.isShim)
		if err != nil || len(shims) == 0 {
			return err
		}
		for _, shim := range shims {
			if err := shim.Signal(syscall.SIGKILL); err != nil {
				return err
			}
			if err := shim.Wait(context.Background()); err != nil { // SIGKILL is not refused
				return err
			}
		}
	}
}

func (m *Managed) isShim(args []string) bool {
	return isShimProgram(args) && valueOf(args, "-address") == m.Socket()
}

func isShimProgram(args []string) bool {
	return len(args) > 0 && strings.HasPrefix(filepath.Base(args[0]), "containerd-shim")
}

// valueOf is what a command line gives a flag, "" if it does not.
func valueOf(args []string, flag string) string {
	if i := slices.Index(args, flag); i > 0 && i+1 < len(args) {
		return args[i+1]
	}
	return ""
}

// endStrays kills what is still alive in our cgroups: processes whose shim has
// died before them.
func (m *Managed) endStrays(ctx context.Context) error {
	return cgroup.Find(cgroup.Root).Kill(ctx, m.EngineConfig().CgroupParent)
}

// unmountBelow unmounts everything that is mounted below dir. dir itself may be a
// disk of the operator's: that stays.
func unmountBelow(dir string) error {
	below, err := mounts.Below(dir)
	errs := []error{err}
	for _, path := range below {
		if err := mount.UnmountAll(path, 0); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", path, cmp.Or(errors.Unwrap(err), err))) // without its words about the path
		}
	}
	return errors.Join(errs...)
}

// Shutdown takes away every task of this engine, and nothing else of a containerd
// that is not ours: images stay.
func (e *Engine) Shutdown(ctx context.Context) error {
	all, err := e.List(ctx)
	errs := []error{err}
	for _, found := range all {
		if err := e.Remove(ctx, found.ID); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, e.host.cgroups.RemoveOwn(e.cgroup(found.ID)))
	}
	return errors.Join(errs...)
}
