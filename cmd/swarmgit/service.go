package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func serviceCommand(opt *options) *cobra.Command {
	return group("service", "Look at services, their tasks and their logs, and restart them",
		serviceTable(opt, &cobra.Command{
			Use: "ls", Short: "List services", Args: noArgs,
			Example: "  swarmgit service ls\n  swarmgit service ls -q",
			RunE:    func(c *cobra.Command, _ []string) error { return serviceList(c, opt, "") },
		}),
		taskTable(opt, &cobra.Command{
			Use: "ps SERVICE", Short: "Tell the story of a service's tasks", Args: oneArg,
			Example: "  swarmgit service ps shop_web\n  swarmgit service ps shop/web --filter desired-state=running",
			RunE: func(c *cobra.Command, args []string) error {
				return taskList(c, opt, api.ListTasksRequest{Service: args[0]})
			},
		}),
		serviceInspectCommand(opt), serviceLogsCommand(opt), serviceRestartCommand(opt),
		serviceCreateCommand(), serviceUpdateCommand(opt), serviceScaleCommand(opt), serviceRollbackCommand(opt), serviceRemoveCommand(opt),
	)
}

// serviceTable adds the flags of a command that calls serviceList.
func serviceTable(opt *options, c *cobra.Command) *cobra.Command {
	c.Flags().BoolP("quiet", "q", false, "only IDs")
	return opt.formatFlag(c)
}

func serviceList(c *cobra.Command, opt *options, stack string) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListServices.Call(c.Context(), client, api.ListServicesRequest{Stack: stack})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Services, func(w io.Writer) {
		if quiet(c) {
			printIDs(w, reply.Services, func(s api.Service) string { return s.ID })
			return
		}
		var rows [][]string
		for _, s := range reply.Services {
			rows = append(rows, []string{
				shortID(s.ID), s.Spec.Name, string(cmp.Or(s.Spec.Mode, specs.Replicated)),
				fmt.Sprintf("%d/%d", s.Running, s.Wanted), untilDigest(s.Task.Image), ports(s.Task.HostPorts),
			})
		}
		table(w, "ID\tNAME\tMODE\tREPLICAS\tIMAGE\tPORTS", rows)
	})
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

// quiet reports whether -q was given to a command that has it.
func quiet(c *cobra.Command) bool {
	yes, _ := c.Flags().GetBool("quiet")
	return yes
}

func printIDs[T any](w io.Writer, all []T, id func(T) string) {
	for _, one := range all {
		fmt.Fprintln(w, id(one))
	}
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
		id, image, node, reason := t.ID, t.Image, cmp.Or(t.Hostname, t.Want.Node), taskError(t)
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

// ports are those of nodes in Docker's form: "*:8080->80/tcp".
func ports(all []specs.HostPort) string {
	var texts []string
	for _, p := range all {
		texts = append(texts, fmt.Sprintf("*:%d->%d/%s", p.Published, p.Target, p.Protocol))
	}
	return strings.Join(texts, ", ")
}

// untilDigest is an image as the stack file names it.
func untilDigest(image string) string {
	if name, _, ok := strings.Cut(image, "@"); ok {
		return name
	}
	return image
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

// taskError is why a task waits, ended or is being stopped. Of one that has stopped
// as it should only a person's doing is told.
func taskError(t api.Task) string {
	words := t.Seen.Err
	done := t.State == specs.StateRunning && t.Wanted() || t.State == specs.StateShutdown
	if words == "" && (!done || t.Want.Reason == specs.ReasonRestarted) {
		words = t.Want.Reason
	}
	return words
}
