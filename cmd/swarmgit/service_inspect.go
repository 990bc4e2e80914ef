package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func serviceInspectCommand(opt *options) *cobra.Command {
	return prettyFlag(&cobra.Command{
		Use: "inspect SERVICE", Short: "Show all that is known of a service, as JSON", Args: oneArg,
		Example: "  swarmgit service inspect --pretty shop_web\n  swarmgit service inspect shop_web",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			service, err := api.InspectService.Call(c.Context(), client, api.ByName{Name: args[0]})
			if err != nil {
				return err
			}
			return inspected(c, service, func(d *details) { d.service(service, time.Now()) })
		},
	})
}

func (d *details) service(s api.Service, now time.Time) {
	spec := s.Spec
	d.line("ID", s.ID)
	d.line("Name", spec.Name)
	d.line("Stack", spec.Stack)
	d.labels("Labels", spec.Labels)
	d.line("Mode", fmt.Sprintf("%s, %d of %s running", cmp.Or(spec.Mode, specs.Replicated), s.Running, plural(s.Wanted, "task")))
	d.line("Rollout", rolloutLine(s.Rollout, now))
	d.line("Constraints", spec.Placement.Constraints...)
	d.line("Spread over", spec.Placement.Preferences...)
	if most := spec.Placement.MaxReplicas; most > 0 {
		d.line("Most per node", fmt.Sprint(most))
	}
	d.line("Restart", restartLine(spec.Restart))
	d.line("Update", updateLine(spec.Update))
	d.task(s.Task)
}

func rolloutLine(r specs.Rollout, now time.Time) string {
	at := r.Ended
	if r.State == specs.RolloutUpdating {
		at = r.Started
	}
	return behind(strings.TrimSpace(strings.ReplaceAll(string(r.State), "_", " ")+" "+ago(now, at)), r.Message)
}

// behind adds to words what says more about them.
func behind(words, more string) string {
	if more == "" {
		return words
	}
	return words + ": " + more
}

func restartLine(p specs.RestartPolicy) string {
	line := string(cmp.Or(p.Condition, specs.RestartAny))
	if p.Condition == specs.RestartNone {
		return line
	}
	line += ", after " + p.Delay.Or(specs.DefaultRestartDelay).String()
	if p.MaxAttempts > 0 {
		line += fmt.Sprintf(", at most %d times", p.MaxAttempts)
		if p.Window > 0 {
			line += " within " + p.Window.String()
		}
	}
	return line
}

func updateLine(u specs.UpdateConfig) string {
	line := "1 at a time"
	if u.Parallelism != nil {
		line = fmt.Sprint(*u.Parallelism) + " at a time"
		if *u.Parallelism == 0 {
			line = "all at once"
		}
	}
	line += ", " + string(cmp.Or(u.Order, specs.StopFirst))
	if u.Delay > 0 {
		line += ", " + u.Delay.String() + " between"
	}
	line += ", watched for " + u.Monitor.Or(specs.DefaultMonitor).String()
	return line + ", on failure " + string(cmp.Or(u.FailureAction, specs.FailurePause))
}

func (d *details) task(t specs.TaskSpec) {
	d.line("Runtime", t.Runtime)
	d.line("Image", t.Image)
	d.line("Entrypoint", strings.Join(t.Entrypoint, " "))
	d.line("Command", strings.Join(t.Command, " "))
	d.line("User", t.User)
	d.line("Working directory", t.WorkingDir)
	d.line("Environment", t.Env...)
	d.line("Mounts", each(t.Mounts, mountLine)...)
	d.line("Secrets", each(t.Secrets, fileLine)...)
	d.line("Configs", each(t.Configs, fileLine)...)
	d.line("Ports", ports(t.HostPorts))
	if h := t.Healthcheck; h != nil {
		d.line("Health check", strings.Join(h.Test, " "))
	}
	d.line("Limits", amounts(specs.Resources{CPUs: t.Limits.CPUs, Memory: t.Limits.Memory}))
	d.line("Reservations", amounts(t.Reservations))
	d.line("Stop signal", t.StopSignal)
	d.line("Stop grace period", t.StopGrace.Or(specs.DefaultStopGrace).String())
}

func mountLine(m specs.Mount) string {
	line := string(m.Type) + " " + m.Target
	if m.Source != "" {
		line = string(m.Type) + " " + m.Source + " -> " + m.Target
	}
	if m.ReadOnly {
		line += " (read-only)"
	}
	return line
}

func fileLine(f specs.FileRef) string { return f.Name + " -> " + f.Target }

// amounts are parts of a machine: "0.5 CPUs, 64M memory".
func amounts(r specs.Resources) string {
	var parts []string
	if r.CPUs > 0 {
		parts = append(parts, r.CPUs.String()+" CPUs")
	}
	if r.Memory > 0 {
		parts = append(parts, r.Memory.String()+" memory")
	}
	return strings.Join(parts, ", ")
}
