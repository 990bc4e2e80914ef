package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

func serviceLogsCommand(opt *options) *cobra.Command {
	var req api.LogsRequest
	var since string
	var timestamps bool
	c := &cobra.Command{
		Use: "logs SERVICE|TASK", Short: "Show what the tasks of a service, or one task, wrote", Args: oneArg,
		Example: "  swarmgit service logs shop_web\n  swarmgit service logs -f --tail 20 shop_web.1\n  swarmgit service logs --since 10m shop/web",
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if req.Since, err = parseTime("--since", since, time.Now()); err != nil {
				return err
			}
			req.Service = args[0]
			return serviceLogs(c, opt, req, timestamps)
		},
	}
	c.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on as new lines come")
	c.Flags().IntVarP(&req.Tail, "tail", "n", -1, "last lines of each task only; negative is all")
	c.Flags().StringVar(&since, "since", "", "lines since a time (2026-11-23T10:00:00Z) or for the last duration (10m)")
	c.Flags().BoolVarP(&timestamps, "timestamps", "t", false, "show when each line was written")
	return c
}

// parseTime reads a flag that is a time, or a duration before now. Empty is none.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s %s: neither a duration such as 10m nor a time such as 2026-11-23T10:00:00Z", flag, text)
}

// serviceLogs writes what tasks wrote to standard output and standard error to
// the same of ours, each line after its task's name as Docker does.
func serviceLogs(c *cobra.Command, opt *options, req api.LogsRequest, timestamps bool) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	unreadable := false
	for reply, err := range api.Logs.Call(c.Context(), client, req) {
		if err != nil {
			if c.Context().Err() != nil {
				return nil // Ctrl-C is how following ends
			}
			return err
		}
		for _, line := range reply.Lines {
			if err := writeLine(c, line, timestamps); err != nil {
				return err
			}
		}
		if reply.Err != "" {
			fmt.Fprintln(c.ErrOrStderr(), "swarmgit: "+reply.Err)
			unreadable = true
		}
	}
	if unreadable {
		return exitCode(1)
	}
	return nil
}

func writeLine(c *cobra.Command, line api.LogLine, timestamps bool) error {
	out := c.OutOrStdout()
	if line.Stderr {
		out = c.ErrOrStderr()
	}
	stamp := ""
	if timestamps {
		stamp = line.At.UTC().Format("2006-01-02T15:04:05.000000000Z") + " "
	}
	_, err := io.WriteString(out, stamp+line.Task+"@"+line.Node+"    | "+string(line.Text)+"\n")
	return err
}
