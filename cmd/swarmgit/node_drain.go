package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// watchDrain shows how a node becomes empty, until it is, the deadline is over or
// the person has seen enough. None of it changes what the cluster does.
func watchDrain(c *cobra.Command, client *wire.Client, node api.Node, deadline time.Duration) error {
	ctx := c.Context()
	if deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, deadline)
		defer cancel()
	}
	name := node.Name()
	var last api.DrainReply
	for reply, err := range api.WatchDrain.Call(ctx, client, api.ByName{Name: node.ID}) {
		switch {
		case err != nil && c.Context().Err() != nil:
			fmt.Fprintf(c.ErrOrStderr(), "swarmgit: node update: not shown any more; the drain goes on: see \"swarmgit node ps %s\"\n", name)
			return exitCode(interrupted)
		case errors.Is(err, context.DeadlineExceeded):
			fmt.Fprintln(c.ErrOrStderr(), deadlineLine(name, last, deadline))
			return exitCode(4)
		case err != nil:
			return fmt.Errorf("node update: the drain of %s is not shown any more, it goes on: %w", name, err)
		}
		fmt.Fprintln(c.OutOrStdout(), drainLine(reply))
		if last = reply; reply.Empty {
			return nil
		}
	}
	return fmt.Errorf("node update: the daemon went away; the drain of %s goes on: see \"swarmgit node ps %s\"", name, name)
}

// drainLine is one line of progress:
//
//	drain n2: 3 of 7 tasks moved; shop_db.1 pending: no suitable node
func drainLine(r api.DrainReply) string {
	var b strings.Builder
	fmt.Fprintf(&b, "drain %s: ", r.Node)
	switch moved := r.Total - len(r.Left) - len(r.Waiting); {
	case r.Total == 0:
		b.WriteString("the node has no tasks")
	case r.Global:
		fmt.Fprintf(&b, "%d of %s moved or stopped", moved, plural(r.Total, "task"))
	default:
		fmt.Fprintf(&b, "%d of %s moved", moved, plural(r.Total, "task"))
	}
	if r.Empty && r.Total > 0 {
		b.WriteString(", the node is empty")
	}
	if len(r.Waiting) > 0 {
		first := r.Waiting[0]
		fmt.Fprintf(&b, "; %s %s", first.Task, first.State)
		if first.Reason != "" {
			b.WriteString(": " + oneLine(first.Reason))
		}
		if others := len(r.Waiting) - 1; others > 0 {
			fmt.Fprintf(&b, "; and %s", plural(others, "other"))
		}
	}
	if r.Down {
		b.WriteString("; it is down: what still runs there is not known, and stops when it is back")
	}
	return b.String()
}

// shownTasks is how many tasks a sentence names.
const shownTasks = 3

// deadlineLine says what is left of a drain that nobody watches any more.
func deadlineLine(name string, last api.DrainReply, deadline time.Duration) string {
	left := "its tasks are not known"
	if n := len(last.Left); n > 0 {
		left = fmt.Sprintf("%s left (%s)", plural(n, "task"), named(last.Left, shownTasks))
	}
	return fmt.Sprintf("swarmgit: node update: %s is not empty after %s: %s; the drain goes on, nothing is killed harder: see \"swarmgit node ps %s\"",
		name, deadline, left, name)
}

// named lists the first names, and says how many more there are.
func named(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
