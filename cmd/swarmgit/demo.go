package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func demoCommand() *cobra.Command {
	var keep bool
	var app, end, images, kind string
	c := &cobra.Command{
		Use: "demo", Short: "See the main job on real parts, from push to removal", Args: noArgs,
		Long: `Starts a cluster of one node with a containerd of its own, pushes a stack to it,
updates it, breaks it, kills things behind its back, and removes everything again.
It needs git, and root, containerd and runc for containers; without these it shows
the same with plain processes. It touches nothing but a new directory below the
temporary directory, its own sockets below /run/swarmgit and its own cgroups.`,
		Example: "  sudo swarmgit demo\n  swarmgit demo --executor process\n  sudo swarmgit demo --keep\n  swarmgit demo --images .",
		RunE: func(c *cobra.Command, _ []string) error {
			if end != "" {
				return endKept(c.Context(), end)
			}
			show, err := newDemo(c.OutOrStdout(), kind)
			if err != nil {
				return err
			}
			if show.processes && images == "" {
				return show.run(c.Context(), keep)
			}
			if show.program, err = os.ReadFile(app); err != nil {
				return fmt.Errorf("demo: the program for its containers is missing: %w: build it with \"make build\", or name one with --app", err)
			}
			if images != "" {
				return writeDemoImages(c, images, show.program)
			}
			return show.run(c.Context(), keep)
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "leave the cluster up, before its stack is removed")
	c.Flags().StringVar(&app, "app", filepath.Join(filepath.Dir(executable()), "demo-app"), "the program that the demo's containers run, statically linked")
	c.Flags().StringVar(&kind, "executor", autoExecutor, "what its tasks are: containerd, process, or auto for containers where they can run")
	c.Flags().StringVar(&images, "images", "", "only write the archives of its images, web-1.0.tar and web-1.1.tar, into this directory")
	c.Flags().StringVar(&end, "end", "", "end the cluster that --keep left in this directory")
	return c
}

// demoStep is one thing that the demo shows.
type demoStep struct {
	title string
	run   func(context.Context) error
}

func writeDemoImages(c *cobra.Command, dir string, program []byte) error {
	archives, err := buildImages(dir, program)
	if err != nil {
		return fmt.Errorf("demo --images %s: %w", dir, err)
	}
	for _, archive := range archives {
		fmt.Fprintln(c.OutOrStdout(), archive)
	}
	return nil
}

// newDemo decides what the tasks of the demo are.
func newDemo(out io.Writer, kind string) (*demo, error) {
	d := &demo{out: out, tasks: "containers", task: "container", processes: kind == processExecutor}
	why := noContainers(nodeConfig{containerd: managedContainerd})
	switch {
	case kind == containerdExecutor && why != nil:
		return nil, fmt.Errorf("demo: %w: try --executor process", why)
	case kind == autoExecutor && why != nil:
		fmt.Fprintf(out, "no containers here: %v\nso the demo's tasks are plain processes (runtime: process)\n\n", why)
		d.processes = true
	case kind != autoExecutor && kind != containerdExecutor && kind != processExecutor:
		return nil, fmt.Errorf("demo: --executor %s: it is auto, containerd or process", kind)
	}
	if d.processes {
		d.tasks, d.task = "processes", "process"
	}
	return d, nil
}

func (d *demo) run(ctx context.Context, keep bool) (err error) {
	if d.dir, err = os.MkdirTemp("", demoPrefix); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	outliveReaders()
	fmt.Fprintf(d.out, "swarmgit demo: the main job on real parts, in %s\n", d.dir)
	defer func() {
		if keep && err == nil {
			d.sayKept()
			return
		}
		// Ctrl-C ends the demo, not the cleaning up after it.
		if ended := endDemo(context.WithoutCancel(ctx), d.dir); ended != nil {
			err = errors.Join(err, ended)
		} else {
			fmt.Fprintln(d.out, "\ncleaned up: nothing of the demo is left")
		}
	}()
	steps := d.steps()
	if keep {
		steps = steps[:len(steps)-1]
	}
	return d.show(ctx, steps)
}

func (d *demo) steps() []demoStep {
	start := demoStep{"start a manager and worker with a containerd of its own", d.start}
	program := demoStep{"build two small images and load them; no registry is needed", d.loadImages}
	if d.processes {
		start.title = "start a manager and worker that runs plain processes"
		program = demoStep{"write a stack whose tasks are processes; no image is needed", d.showStack}
	}
	return []demoStep{
		start,
		program,
		{"make a Git repository of a stack and push it", d.firstPush},
		{"look at its tasks, 3/3 running, and at what they wrote", d.lookAtTasks},
		{"push an edit: version 1.1 and five replicas, rolled out", d.update},
		{"push a broken file: refused, with line and column", d.pushBroken},
		{"kill a " + d.task + " behind swarmgit's back: it is replaced", d.killTask},
		{"kill -9 the daemon and start it again: no " + d.task + " restarts", d.killDaemon},
		{"remove the stack from Git: it is gone", d.removeStack},
	}
}
