package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/runtime/mounts"
	"github.com/swarmgit/swarmgit/specs/bell"
)

func devCommand() *cobra.Command {
	var images []string
	c := &cobra.Command{
		Use: "dev [DIR]", Short: "Run a throw-away cluster that follows a working tree", Args: optionalArg,
		Long: `Starts a cluster of one node in this process and applies the stacks of DIR (the
current directory by default), again whenever a file changes, committed or not.
Ctrl-C removes the cluster with everything that ran in it.

An image comes from its registry, or from an archive of --image. While dev runs,
"swarmgit image load" brings more; then change a file, and the push is made again.

Without root, or without containerd, only services that say runtime: process run.`,
		Example: "  sudo swarmgit dev\n  swarmgit dev examples/process\n  sudo swarmgit dev --image web.tar --image db.tar shop\n" +
			"  swarmgit demo --images /tmp && sudo swarmgit dev --image /tmp/web-1.0.tar examples/demo",
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return runDev(c, dir, images)
		},
	}
	c.Flags().StringArrayVar(&images, "image", nil, "load the images of this archive first; may be repeated")
	return c
}

func runDev(c *cobra.Command, dir string, images []string) (err error) {
	worktree, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(worktree); err != nil || !info.IsDir() {
		return fmt.Errorf("dev %s: not a directory", dir)
	}
	temp, err := os.MkdirTemp("", "swarmgit-dev-")
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	outliveReaders()
	log := quietLog()
	slog.SetDefault(log)
	data := filepath.Join(temp, "data")
	defer func() {
		ctx := context.WithoutCancel(c.Context()) // Ctrl-C ends the cluster, not its removal
		if ended := endDev(ctx, temp); ended != nil {
			err = errors.Join(err, ended)
		} else {
			fmt.Fprintln(c.OutOrStdout(), "\nremoved: nothing of this cluster is left")
		}
	}()
	n, err := openNode(c.Context(), nodeConfig{
		dataDir: data, http: "127.0.0.1:0", socket: filepath.Join(temp, "sock"),
		containerd: managedContainerd, listen: "127.0.0.1:0", begin: beginning{cluster: "dev"}, log: log,
	})
	if err != nil {
		return err
	}
	defer n.close()
	for _, archive := range images {
		if err := n.loadImages(c, archive); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(c.Context())
	g.Go(func() error { return n.run(ctx) })
	g.Go(func() error {
		fmt.Fprintf(c.OutOrStdout(), "a cluster follows %s; in another terminal: export SWARMGIT_HOST=%s\n", worktree, n.cfg.socket)
		return (&follower{c: c, worktree: worktree, gitDir: filepath.Join(temp, "git"), node: n}).run(ctx)
	})
	if err := g.Wait(); err != nil && c.Context().Err() == nil {
		return err
	}
	return nil
}

// endDev ends what outlives the node of dev and removes dir, in which its data lie,
// unless something lives on.
func endDev(ctx context.Context, dir string) error {
	data := filepath.Join(dir, "data")
	err := endWorker(ctx, data)
	if err == nil {
		err = mounts.RemoveAll(dir)
	}
	if err != nil {
		return fmt.Errorf("dev: not all of the cluster in %s is removed: %w: when that is mended: swarmgit daemon uninstall --force --data-dir %s", dir, err, data)
	}
	return nil
}

func (n *node) loadImages(c *cobra.Command, archive string) error {
	if n.engine.containers == nil {
		return fmt.Errorf("dev --image %s: this machine runs no containers: %w", archive, noContainers(n.cfg))
	}
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("dev --image: %w", err)
	}
	defer file.Close()
	loaded, err := n.engine.containers.Load(c.Context(), file)
	if err != nil {
		return fmt.Errorf("dev --image %s: %w", archive, err)
	}
	for _, image := range imageViews(loaded) {
		fmt.Fprintf(c.OutOrStdout(), "Loaded image: %s\n", shownName(image))
	}
	return nil
}

// follower pushes what is in a working tree, through a repository of its own, so
// that the person's is not touched.
type follower struct {
	c        *cobra.Command
	worktree string
	gitDir   string
	node     *node
	pushed   string // the tree that was pushed last
	trouble  string // that was told last
}

// lookPeriod is how often the working tree is looked at.
const lookPeriod = 500 * time.Millisecond

// startPeriod is how often the cluster's start is looked at.
const startPeriod = 10 * time.Millisecond

func (f *follower) run(ctx context.Context) error {
	if _, err := f.git(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return err
	}
	for pause := startPeriod; ; {
		if m := f.manager(); m != nil { // before, a plan would find no node
			f.tell(ctx, f.follow(ctx, m))
			pause = lookPeriod
		}
		if bell.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// follow pushes what is in the working tree, unless it was pushed already.
func (f *follower) follow(ctx context.Context, to *manager) error {
	tree, err := f.tree(ctx)
	if err != nil || tree == f.pushed {
		return err
	}
	if err := f.push(ctx, to); err != nil {
		return err
	}
	f.pushed = tree
	return nil
}

// tell says once why the working tree is not followed: a file was gone before it
// was read, or cannot be. The next look is another try.
func (f *follower) tell(ctx context.Context, err error) {
	trouble := ""
	if err != nil && ctx.Err() == nil {
		trouble = err.Error()
	}
	if trouble != "" && trouble != f.trouble {
		fmt.Fprintf(f.c.ErrOrStderr(), "swarmgit: %s: it is tried again\n", trouble)
	}
	f.trouble = trouble
}

// manager is the cluster's, once its node can take tasks; else nil.
func (f *follower) manager() *manager {
	m := f.node.managing()
	if m == nil {
		return nil
	}
	if node, ok := m.Snapshot().Node(f.node.id()); !ok || !node.CanTakeTasks() {
		return nil
	}
	return m
}

// tree stages everything and names the result.
func (f *follower) tree(ctx context.Context) (string, error) {
	if _, err := f.git(ctx, "add", "--all", "."); err != nil {
		return "", err
	}
	return f.git(ctx, "write-tree")
}

// push commits what is staged and shows the push. A refusal is for the person
// to mend, and the next change is another try.
func (f *follower) push(ctx context.Context, to *manager) error {
	if err := f.commit(ctx); err != nil {
		return err
	}
	remote, err := to.GitURL(ctx)
	if err != nil {
		return err
	}
	shown, err := f.show(remote.Token)
	if err != nil {
		return err
	}
	push := f.command(ctx, append(shown, "push", "-o", "allow-removal", remote.URL, "HEAD:main")...)
	push.Stdout = f.c.OutOrStdout()
	if out, ours := push.Stdout.(*output); ours {
		push.Stdout = out.file // git shows more to a terminal
	}
	push.Stderr = push.Stdout
	_ = push.Run() // it has said itself what was wrong
	return nil
}

// commit makes a commit of what is staged, though nothing may have changed.
func (f *follower) commit(ctx context.Context) error {
	_, err := f.git(ctx, "commit", "--quiet", "--allow-empty", "-m", "working tree at "+time.Now().Format(time.TimeOnly))
	return err
}

// show has git show a token: by a file, for everybody on this machine sees the
// arguments of a process.
func (f *follower) show(token string) (args []string, err error) {
	file := filepath.Join(f.gitDir, "token")
	if err := os.WriteFile(file, fmt.Appendf(nil, "[http]\n\textraHeader = \"Authorization: Bearer %s\"\n", token), 0o600); err != nil {
		return nil, fmt.Errorf("dev: %w", err)
	}
	return []string{"-c", "include.path=" + file}, nil
}

func (f *follower) git(ctx context.Context, args ...string) (said string, err error) {
	var out, words bytes.Buffer
	cmd := f.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &out, &words
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("dev: %s: %w", f.worktree, gitError(err, args[0], words.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// notOfAPerson are settings that people have for their own repositories and remotes,
// and that would refuse a commit here, or lead a push elsewhere.
var notOfAPerson = []string{
	"-c", "commit.gpgSign=false", "-c", "push.gpgSign=false", "-c", "core.hooksPath=/dev/null", "-c", "http.proxy=",
}

func (f *follower) command(ctx context.Context, args ...string) *exec.Cmd {
	args = slices.Concat([]string{"--git-dir", f.gitDir, "--work-tree", f.worktree}, notOfAPerson, args)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = f.worktree
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=dev", "GIT_AUTHOR_EMAIL=dev@localhost",
		"GIT_COMMITTER_NAME=dev", "GIT_COMMITTER_EMAIL=dev@localhost")
	return cmd
}
