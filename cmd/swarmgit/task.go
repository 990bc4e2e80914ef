package main

import (
	"cmp"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func taskCommand(opt *options) *cobra.Command {
	return group("task", "Look at single tasks", taskInspectCommand(opt))
}

func taskInspectCommand(opt *options) *cobra.Command {
	return &cobra.Command{
		Use: "inspect TASK", Short: "Show all that is known of a task, as JSON", Args: oneArg,
		Long: `Shows all that is known of a task, as JSON: what the managers want of it ("want"),
what its node sees ("seen", with the health and the output of the last check that
failed), and its whole spec ("task_spec"). TASK is a name, an ID or the beginning of
one.`,
		Example: "  swarmgit task inspect shop_web.1\n  swarmgit task inspect v61kcvsq",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			task, err := api.InspectTask.Call(c.Context(), client, api.ByName{Name: args[0]})
			if err != nil {
				return err
			}
			return printJSON(c.OutOrStdout(), task)
		},
	}
}

// taskTable adds the flags of a command that calls taskList.
func taskTable(opt *options, c *cobra.Command) *cobra.Command {
	c.Flags().Bool("no-trunc", false, "show IDs and errors in full")
	c.Flags().StringArrayP("filter", "f", nil, "id=, name=, node= or desired-state= and a value; may be repeated")
	c.Flags().BoolP("quiet", "q", false, "only IDs")
	return opt.formatFlag(c)
}

func taskList(c *cobra.Command, opt *options, req api.ListTasksRequest) error {
	wanted, _ := c.Flags().GetStringArray("filter") // taskTable has added it
	filter, err := parseFilter(taskFilters, wanted)
	if err != nil {
		return err
	}
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListTasks.Call(c.Context(), client, req)
	if err != nil {
		return err
	}
	tasks := filter.pick(reply.Tasks)
	return opt.print(c.OutOrStdout(), tasks, func(w io.Writer) {
		if quiet(c) {
			printIDs(w, tasks, func(t api.Task) string { return t.ID })
			return
		}
		whole, _ := c.Flags().GetBool("no-trunc") // taskTable has added it
		printTasks(w, tasks, time.Now(), whole)
	})
}

func printTasks(w io.Writer, tasks []api.Task, now time.Time, whole bool) {
	table(w, "ID\tNAME\tIMAGE\tNODE\tDESIRED STATE\tCURRENT STATE\tERROR\tPORTS", taskRows(tasks, now, whole))
}

// taskRows shows the newest task of each slot by its name and what was in the
// slot before it as a branch below. Long cells are cut unless they are wanted
// whole.
func taskRows(tasks []api.Task, now time.Time, whole bool) [][]string {
	var rows [][]string
	above := ""
	for _, t := range tasks {
		name := t.Name
		if name == above {
			name = ` \_ ` + name
		}
		above = t.Name
		id, image, node, reason := t.ID, t.Image, cmp.Or(t.Hostname, t.Node()), taskError(t)
		if !whole {
			id, image, reason = shortID(id), untilDigest(image), shorten(reason, shownError)
			node = cmp.Or(t.Hostname, shortID(node)) // its node may be gone
		}
		if reason != "" {
			reason = `"` + reason + `"`
		}
		rows = append(rows, []string{
			id, name, image, node, title(t.Want.Desired), currentState(t, now), reason, ports(t.Ports),
		})
	}
	return rows
}

// currentState is "Running 2 minutes ago", with what is going on meanwhile:
// "Preparing 3 seconds ago, pull 41%".
func currentState(t api.Task, now time.Time) string {
	since := t.Seen.Since
	if t.Seen.State == specs.StateNew {
		since = t.Want.Since
	}
	if since.IsZero() {
		since = t.Created
	}
	text := title(t.State) + " " + ago(now, since)
	if t.Seen.Message != "" && !t.State.Final() {
		text += ", " + t.Seen.Message
	}
	return text
}

// shownError is how many characters of an error fit beside the rest of a row.
const shownError = 60

// taskError is why a task waits, ended or is being stopped. That an update replaced
// it is the rule, and not told of one that has stopped as it should.
func taskError(t api.Task) string {
	asUsual := t.State == specs.StateShutdown && t.Want.Reason == specs.ReasonReplaced
	if t.Seen.Err != "" || asUsual || t.State == specs.StateRunning && t.Wanted() {
		return t.Seen.Err
	}
	return t.Want.Reason
}
