package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func demoCommand() *cobra.Command {
	var keep bool
	var app, end, images string
	c := &cobra.Command{
		Use: "demo", Short: "See the main job on real parts, from push to removal", Args: cobra.NoArgs,
		Long: `Starts a cluster of one node with a containerd of its own, pushes a stack to it,
updates it, breaks it, kills things behind its back, and removes everything again.
It needs root, git, containerd and runc, and touches nothing but a new directory
below the temporary directory and its own sockets below /run/swarmgit.`,
		Example: "  sudo swarmgit demo\n  sudo swarmgit demo --keep\n  swarmgit demo --images .",
		RunE: func(c *cobra.Command, _ []string) error {
			if end != "" {
				return endDemo(c.Context(), end)
			}
			program, err := os.ReadFile(app)
			if err != nil {
				return fmt.Errorf("demo: the program for its containers is missing: %w: build it with \"make build\", or name one with --app", err)
			}
			if images != "" {
				return writeDemoImages(c, images, program)
			}
			return runDemo(c, program, keep)
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "leave the cluster up, before its stack is removed")
	c.Flags().StringVar(&app, "app", filepath.Join(filepath.Dir(executable()), "demo-app"), "the program that the demo's containers run, statically linked")
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

func runDemo(c *cobra.Command, program []byte, keep bool) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("demo: containers need root: sudo swarmgit demo")
	}
	dir, err := os.MkdirTemp("", "swarmgit-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d := &demo{dir: dir, out: c.OutOrStdout(), program: program}
	fmt.Fprintf(d.out, "swarmgit demo: the main job on real parts, in %s\n", dir)
	defer func() {
		if keep && err == nil {
			d.sayKept()
			return
		}
		// Ctrl-C ends the demo, not the cleaning up after it.
		if ended := endDemo(context.WithoutCancel(c.Context()), dir); ended != nil {
			err = errors.Join(err, ended)
		} else {
			fmt.Fprintln(d.out, "\ncleaned up: nothing of the demo is left")
		}
	}()
	steps := d.steps()
	if keep {
		steps = steps[:len(steps)-1]
	}
	return d.show(c.Context(), steps)
}

func (d *demo) steps() []demoStep {
	return []demoStep{
		{"start a manager and worker with a containerd of its own", d.start},
		{"build two small images and load them; no registry is needed", d.loadImages},
		{"make a Git repository of a stack and push it", d.firstPush},
		{"look at its tasks, 3/3 running, and at what they wrote", d.lookAtTasks},
		{"push an edit: version 1.1 and five replicas, rolled out", d.update},
		{"push a broken file: refused, with line and column", d.pushBroken},
		{"kill a container behind swarmgit's back: it is replaced", d.killContainer},
		{"kill -9 the daemon and start it again: no container restarts", d.killDaemon},
		{"remove the stack from Git: it is gone", d.removeStack},
	}
}
