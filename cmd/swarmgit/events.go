package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func eventsCommand(opt *options) *cobra.Command {
	var req api.EventsRequest
	var since, until string
	var filters []string
	c := &cobra.Command{
		Use: "events", Short: "Tell what happened in the cluster, in order", Args: noArgs,
		Long: `Tells what happened in the cluster: revisions, rollouts, tasks, nodes, sources,
secrets and configs, and who leads. The manager that is asked answers, and goes on
when another one leads. It remembers the last 10,000 events while its daemon runs;
when it starts, those that the cluster's data still tells: the tasks of each slot's
history, the last revisions. That a source fails and recovers, only the manager tells
that led then; "source ls" says it everywhere. -o json prints one object per line.`,
		Example: "  swarmgit events --since 1h\n  swarmgit events -f --filter service=shop_web\n  swarmgit events --filter type=node --filter type=leader -o json",
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Since, err = parseTime("--since", since, time.Now()); err != nil {
				return err
			}
			if req.Until, err = parseTime("--until", until, time.Now()); err != nil {
				return err
			}
			if err := filterEvents(&req, filters); err != nil {
				return err
			}
			return events(c, opt, req)
		},
	}
	c.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on as more happens")
	c.Flags().StringVar(&since, "since", "", "since a time (2026-11-23T10:00:00Z) or for the last duration (10m)")
	c.Flags().StringVar(&until, "until", "", "up to a time, or a duration ago; with -f it ends then")
	c.Flags().StringArrayVar(&filters, "filter", nil, "type=, service= or node= and a value; may be repeated")
	return opt.formatFlag(c)
}

// eventTypes are the values of the filter type=.
var eventTypes = []string{
	string(specs.EventRevision), string(specs.EventService), string(specs.EventTask), string(specs.EventNode),
	string(specs.EventSource), string(specs.EventSecret), string(specs.EventConfig), string(specs.EventLeader),
}

func filterEvents(req *api.EventsRequest, filters []string) error {
	for _, filter := range filters {
		key, value, _ := strings.Cut(filter, "=")
		if value == "" {
			key = ""
		}
		switch {
		case key == "type" && !slices.Contains(eventTypes, value):
			return fmt.Errorf("--filter %s: the types are %s", filter, strings.Join(eventTypes, ", "))
		case key == "type":
			req.Types = append(req.Types, specs.EventType(value))
		case key == "service":
			req.Services = append(req.Services, value)
		case key == "node":
			req.Nodes = append(req.Nodes, value)
		default:
			return fmt.Errorf("--filter %s: write it as type=, service= or node= and a value", filter)
		}
	}
	return nil
}

func events(c *cobra.Command, opt *options, req api.EventsRequest) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	for reply, err := range api.ListEvents.Call(c.Context(), client, req) {
		if err != nil {
			if c.Context().Err() != nil {
				return nil // Ctrl-C is how following ends
			}
			return err
		}
		if reply.Missed > 0 {
			fmt.Fprintf(c.ErrOrStderr(), "swarmgit: events: %d are left out: they came faster than they were read\n", reply.Missed)
		}
		for _, event := range reply.Events {
			if err := opt.printEvent(c.OutOrStdout(), event); err != nil {
				return err
			}
		}
	}
	return nil
}

// printEvent writes an event as a line of text or of JSON.
func (o *options) printEvent(w io.Writer, e specs.Event) error {
	if o.format == "json" {
		return json.NewEncoder(w).Encode(e)
	}
	_, err := fmt.Fprintln(w, eventLine(e))
	return err
}

// eventLine is one event:
//
//	2026-11-23T10:00:03.120Z  task      failed      shop_web.1 on n1: exit code 1
func eventLine(e specs.Event) string {
	line := fmt.Sprintf("%s  %-8s  %-10s  %s", e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), e.Type, e.Action, e.Name)
	if e.Type == specs.EventTask && e.Node != "" {
		line += " on " + e.Node
	}
	if e.Message != "" {
		line += ": " + e.Message
	}
	return oneLine(line)
}
