package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/runtime/agent"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
	"github.com/swarmgit/swarmgit/runtime/identity"
	"github.com/swarmgit/swarmgit/runtime/mounts"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// uninstall is how a machine gets rid of a node.
type uninstall struct {
	dataDir  string
	units    string // where systemd's units lie
	keepData bool
	force    bool
	yes      bool
}

func daemonUninstallCommand() *cobra.Command {
	u := &uninstall{units: systemdUnits}
	c := &cobra.Command{
		Use: "uninstall", Short: "Remove all that swarmgit has on this machine", Args: noArgs,
		Long: `Shows all that swarmgit has on this machine for a data directory, whose daemon has
been stopped before, asks, and removes it: tasks, the private containerd with its
images, the log keeper, mounts, cgroups, the runtime directory, the systemd unit of
"swarmgit daemon unit", and the data directory last. What was interrupted is gone
on with by the same command. Only this program stays.

A node that other nodes count on is refused: let it leave its cluster first
("swarmgit leave"). With --force it goes all the same, and has to be removed on a
manager.

What is in the data directory and not of swarmgit's making stays, and is named. In a
containerd that the daemon got by --containerd only swarmgit's containers are
removed; images stay there.`,
		Example: "  sudo swarmgit daemon uninstall\n  sudo swarmgit daemon uninstall --yes --data-dir /srv/swarmgit\n  sudo swarmgit daemon uninstall --keep-data",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := u.run(c); err != nil {
				return fmt.Errorf("daemon uninstall: %w", err)
			}
			return nil
		},
	}
	dataDirFlag(c.Flags(), &u.dataDir, defaultDataDir())
	c.Flags().BoolVar(&u.keepData, "keep-data", false, "leave the data directory: a daemon that is started there goes on as the same node")
	c.Flags().BoolVarP(&u.force, "force", "f", false, "also if other nodes count on this one, or its containerd does not answer")
	c.Flags().BoolVarP(&u.yes, "yes", "y", false, "do not ask")
	return c
}

func (u *uninstall) run(c *cobra.Command) error {
	if err := mayUse(u.dataDir); err != nil {
		return err
	}
	if u.locked() {
		lock, err := u.lock()
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	found, err := u.find(c.Context())
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if len(found.outside) == 0 && (u.keepData || len(found.data) == 0) {
		fmt.Fprintf(out, "nothing of swarmgit is on this machine for %s%s\n", u.dataDir, u.butData(found))
		return nil
	}
	farewell, err := u.permit(found)
	if err != nil {
		return err
	}
	u.show(out, found, farewell)
	if !u.yes {
		if err := confirm(c, u.dataDir); err != nil {
			return err
		}
	}
	if err := u.remove(c.Context(), found); err != nil {
		return fmt.Errorf("%w: when that is mended, the same command goes on", err)
	}
	return u.check(c.Context(), out)
}

func (u *uninstall) butData(found holdings) string {
	if u.keepData && len(found.data) > 0 {
		return ", but its data, which is kept"
	}
	return ""
}

// lock keeps daemons out of the data directory.
func (u *uninstall) lock() (*os.File, error) {
	lock, err := lockDataDir(u.dataDir)
	if errors.Is(err, errInUse) {
		return nil, fmt.Errorf("refused: %w: \"swarmgit leave\" takes its node out of the cluster and ends the daemon; \"systemctl stop swarmgit\", or a SIGTERM, ends the daemon only", err)
	}
	return lock, err
}

// permit refuses what would do harm elsewhere or be half done, unless that is
// forced. It returns what is to be done elsewhere then.
func (u *uninstall) permit(found holdings) (farewell string, err error) {
	if found.mute != nil && !u.force {
		return "", fmt.Errorf("refused: its containers cannot be removed: %w; --force leaves them there", found.mute)
	}
	if u.keepData {
		return "", nil
	}
	self, err := identity.Load(identityDir(u.dataDir))
	if errors.Is(err, identity.ErrNone) {
		return "", nil
	}
	var known []wire.Manager
	if self != nil { // perhaps one whose certificate has run out
		known, err = agent.Remembered(filepath.Join(u.dataDir, "agent"))
	}
	if err != nil {
		return "", u.unless(fmt.Errorf("refused: whether other nodes count on this one is not known: %w: --force goes on", err))
	}
	is := self.Credentials().Self()
	return farewellOf(is, known), u.unless(mayUninstall(is, known))
}

// unless is the error, or nil if the person has forced it.
func (u *uninstall) unless(err error) error {
	if u.force {
		return nil
	}
	return err
}

// others counts the managers besides a node.
func others(self wire.Identity, known []wire.Manager) int {
	return len(slices.DeleteFunc(slices.Clone(known), func(m wire.Manager) bool { return m.NodeID == self.NodeID }))
}

// mayUninstall says why a node that knows of these managers has to be forced to go
// without a word to them.
func mayUninstall(self wire.Identity, known []wire.Manager) error {
	n := others(self, known)
	switch {
	case self.Role == specs.Manager && n == 0:
		return nil
	case self.Role == specs.Manager:
		return fmt.Errorf("refused: this node is one of %d managers, and its vote would count as lost: %d of %[1]d have to agree to every change: "+
			"start its daemon and let it leave (swarmgit leave --force); --force here goes all the same", n+1, (n+1)/2+1)
	}
	return errors.New("refused: this node is still a worker of its cluster, where it would stay listed as down: " +
		"start its daemon and let it leave (swarmgit leave); --force here goes all the same")
}

// farewellOf says what becomes of the cluster without the node.
func farewellOf(self wire.Identity, known []wire.Manager) string {
	switch {
	case self.Role == specs.Manager && others(self, known) == 0:
		return "This node is the only manager: the cluster ends with it. Its services, its\nrevisions and its Git repository are lost."
	case self.Role == specs.Manager:
		return fmt.Sprintf("Its vote counts as lost until another manager is told:\n  swarmgit node demote %s\n  swarmgit node rm %[1]s", self.NodeID)
	}
	return "It stays listed as down until a manager is told: swarmgit node rm " + self.NodeID
}

// shownNames is how many things of one kind are listed by name.
const shownNames = 5

func (u *uninstall) show(out io.Writer, found holdings, farewell string) {
	fmt.Fprintf(out, "Of swarmgit on this machine, for %s:\n\n", u.dataDir)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	shown := map[string]int{}
	for _, piece := range found.outside {
		if shown[piece.Kind]++; shown[piece.Kind] <= shownNames {
			fmt.Fprintf(table, "  - %s\t%s\n", piece.Kind, piece.Name)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(shown)) {
		if more := shown[kind] - shownNames; more > 0 {
			fmt.Fprintf(table, "  - %s\tand %d more\n", kind, more)
		}
	}
	if len(found.data) > 0 && !u.keepData {
		fmt.Fprintf(table, "  - data\t%s: %s\n", u.dataDir, strings.Join(found.data, ", "))
	}
	_ = table.Flush() // as every write to a terminal
	if stays := u.stays(found); len(stays) > 0 {
		fmt.Fprintf(out, "\nThese stay:\n\n    %s\n", strings.Join(stays, "\n    "))
	}
	if farewell != "" {
		fmt.Fprintf(out, "\n%s\n", farewell)
	}
}

// stays is what is left alone.
func (u *uninstall) stays(found holdings) (stays []string) {
	if u.keepData && len(found.data) > 0 {
		stays = append(stays, u.dataDir+": the node's data")
	}
	for _, name := range found.strange {
		if !u.keepData {
			stays = append(stays, filepath.Join(u.dataDir, name)+": not of swarmgit's making")
		}
	}
	if found.mute != nil {
		stays = append(stays, "the containers of swarmgit in the containerd at "+found.theirs)
	}
	if found.theirs != "" {
		stays = append(stays, fmt.Sprintf("images in the containerd at %s: ctr --address %[1]s -n %s images ls", found.theirs, containerd.DefaultNamespace))
	}
	return stays
}

// remove takes away what was found, the data last: it knows the rest. Each step
// may be repeated.
func (u *uninstall) remove(ctx context.Context, found holdings) error {
	if found.unit != "" { // first: it would start the daemon again
		if err := removeUnit(ctx, found.unit); err != nil {
			return fmt.Errorf("remove the systemd unit: %w", err)
		}
	}
	if found.theirs != "" && found.mute == nil {
		if err := u.inTheirs(ctx, found.theirs, func(engine *containerd.Engine) error { return engine.Shutdown(ctx) }); err != nil {
			return fmt.Errorf("remove the containers in the containerd at %s: %w", found.theirs, err)
		}
	}
	if found.node {
		if err := u.endWorker(ctx); err != nil {
			return err
		}
	}
	if found.socket != "" {
		if err := removeSocket(found.socket); err != nil {
			return err
		}
	}
	_ = os.Remove(runtimeDir()) // if nothing of another node is there
	if u.keepData {
		return nil
	}
	return u.removeData(found)
}

// endWorker ends what outlives a daemon, even one whose data directory is gone.
func (u *uninstall) endWorker(ctx context.Context) error {
	if err := os.MkdirAll(u.dataDir, 0o700); err != nil {
		return err
	}
	if !u.locked() {
		lock, err := u.lock()
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	return endWorker(ctx, u.dataDir)
}

// removeData removes what is ours in the data directory, and the directory itself
// if nothing else is there.
func (u *uninstall) removeData(found holdings) error {
	names := found.data
	if found.node { // its end has made some
		names = slices.Concat(names, clusterState, []string{containerdName, containerdLog, lockName})
	}
	last := []string{identityName, lockName}
	slices.SortStableFunc(names, func(a, b string) int { return slices.Index(last, a) - slices.Index(last, b) })
	for _, name := range names {
		if err := mounts.RemoveAll(filepath.Join(u.dataDir, name)); err != nil {
			return fmt.Errorf("remove the data: %w", err)
		}
	}
	if err := os.Remove(u.dataDir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the data directory: %w", err)
	}
	return nil
}

// check looks again: what is said to be gone is gone.
func (u *uninstall) check(ctx context.Context, out io.Writer) error {
	left, err := u.find(ctx)
	if err != nil {
		return err
	}
	for _, piece := range left.outside {
		err = errors.Join(err, fmt.Errorf("%s %s is still there", piece.Kind, piece.Name))
	}
	if err != nil {
		return fmt.Errorf("%w: run it again", err)
	}
	fmt.Fprintf(out, "uninstalled: nothing of swarmgit is left on this machine for %s%s\n", u.dataDir, u.butData(left))
	return nil
}
