package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func statusCommand(opt *options) *cobra.Command {
	return opt.formatFlag(&cobra.Command{
		Use: "status", Short: "Show the cluster on one screen, worst news first", Args: noArgs,
		Example: "  swarmgit status\n  swarmgit status -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.GetStatus.Call(c.Context(), client, api.Empty{})
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply, func(w io.Writer) { printStatus(w, reply) })
		},
	})
}

// shownTroubles keeps a bad day on one screen.
const shownTroubles = 10

func printStatus(w io.Writer, s api.StatusReply) {
	if s.Leader == "" {
		fmt.Fprintln(w, wrapped("! ", leaderlessLine(s.Managers)))
		if s.Unread != "" {
			fmt.Fprintln(w, wrapped("! ", s.Unread))
			return
		}
		if s.WayBack != "" {
			fmt.Fprintln(w, wrapped("  ", s.WayBack))
		}
	}
	fmt.Fprintln(w, clusterLine(s))
	for _, line := range nodeNews(s) {
		fmt.Fprintln(w, wrapped("! ", line))
	}
	for _, t := range s.Troubles[:min(len(s.Troubles), shownTroubles)] {
		fmt.Fprintln(w, wrapped("! ", troubleLine(t, s.Timestamp)))
	}
	if len(s.Troubles) > shownTroubles {
		rest := s.Troubles[shownTroubles:]
		fmt.Fprintf(w, "! and %d more: swarmgit service ps %s\n", countTasks(rest), serviceOf(rest[0].Task))
	}
	for _, source := range s.Sources {
		if line := sourceTrouble(source, s.Timestamp); line != "" && !source.Suspended {
			fmt.Fprintln(w, wrapped("! ", "source "+source.Name+": "+oneLine(line)))
		}
	}
	if line := restingLine(s.Nodes); line != "" {
		fmt.Fprintln(w, wrapped("  ", line))
	}
	if s.Revision != nil || len(s.Sources) == 0 {
		fmt.Fprintln(w, revisionLine(s.Revision, s.Degraded, s.Timestamp))
	}
	for _, source := range s.Sources {
		fmt.Fprintln(w, sourceLine(source, s.Timestamp))
	}
	if len(s.Stacks) > 0 {
		fmt.Fprintln(w, stackLines(s.Stacks))
	}
	if s.Managers.Advice != "" {
		fmt.Fprintln(w, s.Managers.Advice)
	}
}

// leaderlessLine says what still works, and what does not.
func leaderlessLine(m api.ManagerCounts) string {
	return fmt.Sprintf("no leader: %d of %s reachable; what runs goes on, nothing can be changed", m.Reachable, plural(m.Total, "manager"))
}

// shownNodes is how many nodes a line names.
const shownNodes = 5

// nodeNews is what is wrong with managers and nodes, worst first.
func nodeNews(s api.StatusReply) []string {
	var news []string
	if s.Disk != "" {
		news = append(news, "writes are refused: "+s.Disk)
	}
	news = append(news, s.Nodes.Troubled...)
	if lost := s.Managers.Unreachable; len(lost) > 0 {
		news = append(news, fmt.Sprintf("%s cannot be reached: %s", plural(len(lost), "manager"), named(lost, shownNodes)))
	}
	if s.Held != "" {
		news = append(news, s.Held)
	}
	if down := s.Nodes.Down; len(down) > 0 {
		news = append(news, fmt.Sprintf("%s down: %s", plural(len(down), "node"), named(down, shownNodes)))
	}
	if s.Rotation != "" {
		news = append(news, s.Rotation)
	}
	return append(news, expiryNews(s.Nodes.Expiring, s.Timestamp)...)
}

// expiryNews is about certificates that are not renewed.
func expiryNews(all []api.NodeExpiry, now time.Time) []string {
	var over, soon, news []string
	for _, e := range all {
		if left := e.Until.Sub(now); left > 0 {
			soon = append(soon, e.Node+" in "+span(left))
		} else {
			over = append(over, e.Node)
		}
	}
	if len(over) > 0 {
		have := either(len(over), "has", "have")
		news = append(news, fmt.Sprintf("%s %s run out: %s: let the node back in by swarmgit node readmit NODE",
			plural(len(over), "certificate"), have, named(over, shownNodes)))
	}
	if len(soon) > 0 {
		were := either(len(soon), "was not renewed and runs", "were not renewed and run")
		news = append(news, fmt.Sprintf("%s %s out: %s: the log of the daemon there says why",
			plural(len(soon), "certificate"), were, named(soon, shownNodes)))
	}
	return news
}

// either is the word for one thing or for several.
func either(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

// restingLine names the nodes that get no new tasks because somebody wished it.
func restingLine(n api.NodeCounts) string {
	var parts []string
	if len(n.Drained) > 0 {
		parts = append(parts, "drained: "+named(n.Drained, shownNodes))
	}
	if len(n.Paused) > 0 {
		parts = append(parts, "paused: "+named(n.Paused, shownNodes))
	}
	return strings.Join(parts, "; ")
}

func troubleLine(t api.TaskTrouble, now time.Time) string {
	who := t.Task
	if t.Node != "" {
		who += " on " + t.Node
	}
	if t.Others > 0 {
		who += " and " + plural(t.Others, "other")
	}
	line := fmt.Sprintf("%s %s for %s", who, t.State, span(now.Sub(t.Since)))
	if t.Reason != "" {
		line += ": " + oneLine(t.Reason)
	}
	return line
}

func countTasks(troubles []api.TaskTrouble) int {
	n := len(troubles)
	for _, t := range troubles {
		n += t.Others
	}
	return n
}

// serviceOf is shop_web of shop_web.3.
func serviceOf(task string) string {
	if i := strings.LastIndexByte(task, '.'); i >= 0 {
		return task[:i]
	}
	return task
}

func clusterLine(s api.StatusReply) string {
	if s.Leader == "" {
		return fmt.Sprintf("%s: %s, how they are is not known without a leader", s.Cluster, plural(s.Nodes.Total, "node"))
	}
	nodes := plural(s.Nodes.Ready, "node") + " ready"
	if s.Nodes.Ready < s.Nodes.Total {
		nodes = fmt.Sprintf("%d of %s ready", s.Nodes.Ready, plural(s.Nodes.Total, "node"))
	}
	more := ""
	if len(s.Managers.Unreachable) > 0 {
		more = " more"
	}
	return fmt.Sprintf("%s: %s, %s (can lose %d%s), leader %s", s.Cluster, nodes, plural(s.Managers.Total, "manager"), s.Managers.CanLose, more, s.Leader)
}

func revisionLine(r *api.Revision, degraded bool, now time.Time) string {
	if r == nil {
		return `nothing was pushed yet: see "swarmgit git-url"`
	}
	line := fmt.Sprintf("%s: %s %q, %s since %s", r.Source, shortCommit(r.Commit), r.Subject, r.Progress.State, span(now.Sub(r.Progress.Since)))
	if degraded {
		line += ", degraded"
	}
	if r.Progress.State != specs.RevisionHealthy && r.Progress.Reason != "" {
		line += "\n" + wrapped("  ", oneLine(r.Progress.Reason))
	}
	return line
}

// sourceLine says where an outside source is.
func sourceLine(s api.Source, now time.Time) string {
	if s.Suspended {
		return s.Name + ": suspended: swarmgit source resume " + s.Name
	}
	line := s.Name + ": nothing of it was taken yet"
	if s.Revision != nil {
		line = revisionLine(s.Revision, s.Degraded, now)
	}
	if !s.Seen.Looked.IsZero() {
		line += "\n  looked at " + ago(now, s.Seen.Looked)
	}
	return line
}

// stackLines packs the counts of all stacks into lines of at most 80 columns.
func stackLines(stacks []api.StackCount) string {
	const width = 80
	var b strings.Builder
	column := 0
	for _, s := range stacks {
		text := fmt.Sprintf("  %s  %d/%d tasks", s.Name, s.Running, s.Wanted)
		if column > 0 && column+2+len(text) > width {
			b.WriteByte('\n')
			column = 0
		} else if column > 0 {
			text = "  " + text
		}
		b.WriteString(text)
		column += len(text)
	}
	return b.String()
}
