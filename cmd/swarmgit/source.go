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
	"github.com/swarmgit/swarmgit/specs/wire"
)

func sourceCommand(opt *options) *cobra.Command {
	return group("source", "Follow Git repositories elsewhere",
		sourceAddCommand(opt), sourceUpdateCommand(opt),
		opt.formatFlag(&cobra.Command{
			Use: "ls", Short: "List sources, where each is, and why one cannot be read", Args: noArgs,
			Example: "  swarmgit source ls\n  swarmgit source ls -o json",
			RunE:    func(c *cobra.Command, _ []string) error { return sourceList(c, opt) },
		}),
		&cobra.Command{
			Use: "sync SOURCE", Short: "Look at a source now", Args: oneArg,
			Example: "  swarmgit source sync infra",
			RunE:    func(c *cobra.Command, args []string) error { return sourceSync(c, opt, args[0]) },
		},
		&cobra.Command{
			Use: "suspend SOURCE", Short: "Look at a source no more; what runs goes on", Args: oneArg,
			Example: "  swarmgit source suspend infra",
			RunE:    func(c *cobra.Command, args []string) error { return sourceSuspend(c, opt, args[0], false) },
		},
		&cobra.Command{
			Use: "resume SOURCE", Short: "Look at a suspended source again", Args: oneArg,
			Example: "  swarmgit source resume infra",
			RunE:    func(c *cobra.Command, args []string) error { return sourceSuspend(c, opt, args[0], true) },
		},
		sourceRemoveCommand(opt), sourceAdoptCommand(opt), sourceWebhookCommand(opt),
	)
}

func sourceAddCommand(opt *options) *cobra.Command {
	var flags sourceFlags
	c := &cobra.Command{
		Use: "add NAME URL", Short: "Follow a branch of a repository elsewhere", Args: nameAndURL,
		Long: `Follows a branch of a repository elsewhere: its stacks are kept as it says, beside
those that are pushed to the cluster's own remote. The manager that leads looks
at it each --interval, more or less, and at once when a webhook says so.

URL is https://, http://, ssh:// (or git@host:path), or file:///PATH for one that
is on every manager. Credentials are read from files ("-" is standard input) and
kept by the managers; they are never shown.

A stack belongs to the first source that defines it. A source that cannot be read,
or whose branch or stacks are gone, removes nothing.`,
		Example: `  swarmgit source add infra https://git.example/infra.git --token-file token
  swarmgit source add edge git@git.example:ops/edge.git --ssh-key id_ed25519 --known-hosts known_hosts
  swarmgit source add lab file:///srv/lab.git --branch stable --path cluster --interval 5m`,
		RunE: func(c *cobra.Command, args []string) error {
			req, err := flags.read(c)
			if err != nil {
				return fmt.Errorf("source add %s: %w", args[0], err)
			}
			req.Name, req.URL = args[0], args[1]
			return sourceAdd(c, opt, req)
		},
	}
	flags.add(c, "main", specs.DefaultSourceInterval)
	return c
}

func sourceUpdateCommand(opt *options) *cobra.Command {
	var flags sourceFlags
	var url string
	c := &cobra.Command{
		Use: "update SOURCE", Short: "Change what a source follows, or how", Args: oneArg,
		Long: `Changes what the flags name, and leaves the rest as it is. Its stacks stay the
source's, and run on: what another branch, folder or URL says of them comes as a new
commit does, and waits for approval where that would. A file name of "" forgets what
was read from the file.

Credentials are for one server: they are forgotten with a URL of another one. Give
the new server's in the same command.`,
		Example: `  swarmgit source update infra --branch stable --interval 5m
  swarmgit source update infra --token-file token
  swarmgit source update infra --url https://git2.example/infra.git --token-file token2`,
		RunE: func(c *cobra.Command, args []string) error {
			values, err := flags.read(c)
			if err != nil {
				return fmt.Errorf("source update %s: %w", args[0], err)
			}
			return sourceUpdate(c, opt, api.UpdateSourceRequest{
				Name: args[0], URL: given(c, "url", url),
				Branch: given(c, "branch", values.Branch), Path: given(c, "path", values.Path), Interval: given(c, "interval", values.Interval),
				AcceptPartial: given(c, "accept-partial", values.AcceptPartial),
				User:          given(c, "user", values.Credential.User), Secret: given(c, "token-file", values.Credential.Secret),
				SSHKey: given(c, "ssh-key", values.Credential.SSHKey), KnownHosts: given(c, "known-hosts", values.Credential.KnownHosts),
			})
		},
	}
	c.Flags().StringVar(&url, "url", "", "where the repository is")
	flags.add(c, "", 0)
	return c
}

// given is the value of a flag; nil if that was not given.
func given[T any](c *cobra.Command, flag string, value T) *T {
	if !c.Flags().Changed(flag) {
		return nil
	}
	return &value
}

// sourceFlags say what a source is.
type sourceFlags struct {
	req               api.AddSourceRequest
	interval          time.Duration
	token, key, known string // files
}

func (f *sourceFlags) add(c *cobra.Command, branch string, interval time.Duration) {
	flags := c.Flags()
	flags.StringVar(&f.req.Branch, "branch", branch, "the branch to follow")
	flags.StringVar(&f.req.Path, "path", "", `the folder that holds the stacks; "" is the root`)
	flags.DurationVar(&f.interval, "interval", interval, "how often to look")
	flags.StringVar(&f.req.Credential.User, "user", "", `the user of the token or password; "" is git`)
	flags.StringVar(&f.token, "token-file", "", "read a token or password from this file")
	flags.StringVar(&f.key, "ssh-key", "", "read a private SSH key from this file")
	flags.StringVar(&f.known, "known-hosts", "", "read the keys that the SSH server may have from this file")
	flags.BoolVar(&f.req.AcceptPartial, "accept-partial", false, "go on without keys that are not built yet")
}

// read is what the flags say, with what is in the files.
func (f *sourceFlags) read(c *cobra.Command) (api.AddSourceRequest, error) {
	if err := notNegative("interval", f.interval); err != nil {
		return f.req, err
	}
	f.req.Interval = specs.Duration(f.interval)
	err := readCredential(c, &f.req.Credential, f.token, f.key, f.known)
	return f.req, err
}

func nameAndURL(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("source add takes NAME and URL: see \"swarmgit source add --help\"")
	}
	return nil
}

func readCredential(c *cobra.Command, into *specs.Credential, token, key, known string) error {
	secret, err := readFile(c, token)
	if err != nil {
		return err
	}
	private, err := readFile(c, key)
	if err != nil {
		return err
	}
	into.KnownHosts, err = readFile(c, known)
	into.Secret, into.SSHKey = specs.Hidden(strings.TrimSpace(secret)), specs.Hidden(private)
	if err == nil && token != "" && into.Secret == "" {
		return fmt.Errorf("--token-file %s: it is empty", token)
	}
	return err
}

func sourceAdd(c *cobra.Command, opt *options, req api.AddSourceRequest) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	if _, err := api.AddSource.Call(c.Context(), client, req); err != nil {
		return err
	}
	return sourceLook(c, client, req.Name, "followed from now on")
}

func sourceUpdate(c *cobra.Command, opt *options, req api.UpdateSourceRequest) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.UpdateSource.Call(c.Context(), client, req)
	if err != nil {
		return err
	}
	if reply.Text != "" {
		fmt.Fprintln(c.OutOrStdout(), reply.Text)
		return nil
	}
	return sourceLook(c, client, req.Name, "changed")
}

// sourceLook looks at a source for the first time since it is so.
func sourceLook(c *cobra.Command, client *wire.Client, name, so string) error {
	reply, err := api.SyncSource.Call(c.Context(), client, api.ByName{Name: name})
	if err != nil {
		return fmt.Errorf("%s is %s, and is tried again: %w", name, so, err)
	}
	fmt.Fprintln(c.OutOrStdout(), reply.Text)
	return nil
}

func sourceSync(c *cobra.Command, opt *options, name string) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.SyncSource.Call(c.Context(), client, api.ByName{Name: name})
	if err != nil {
		return err
	}
	fmt.Fprintln(c.OutOrStdout(), reply.Text)
	return nil
}

func sourceSuspend(c *cobra.Command, opt *options, name string, resume bool) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	if _, err := api.SuspendSource.Call(c.Context(), client, api.SuspendSourceRequest{Name: name, Resume: resume}); err != nil {
		return err
	}
	if resume {
		fmt.Fprintln(c.OutOrStdout(), name+" is looked at again")
	} else {
		fmt.Fprintln(c.OutOrStdout(), name+" is not looked at any more; what runs goes on")
	}
	return nil
}

func sourceRemoveCommand(opt *options) *cobra.Command {
	var req api.RemoveSourceRequest
	var yes bool
	c := &cobra.Command{
		Use: "rm SOURCE", Short: "Follow a source no more", Args: oneArg,
		Long: `Follows a source no more. Its stacks go on and belong to nobody; the next source
that defines one of them has it, and so has who adopts it.

With --prune its stacks are removed too: what stops is listed, and asked for.`,
		Example: "  swarmgit source rm infra\n  swarmgit source rm infra --prune",
		RunE: func(c *cobra.Command, args []string) error {
			req.Name = args[0]
			client, err := opt.connect()
			if err != nil {
				return err
			}
			if req.Prune && !yes {
				if err := confirmPrune(c, client, req); err != nil {
					return err
				}
			}
			reply, err := api.RemoveSource.Call(c.Context(), client, req)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), req.Name+" is not followed any more"+fate(reply.Stacks, req.Prune))
			return nil
		},
	}
	c.Flags().BoolVar(&req.Prune, "prune", false, "remove its stacks too")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "neither list nor ask")
	return c
}

// fate is what becomes of the stacks of a source that is removed.
func fate(stacks []string, pruned bool) string {
	switch names := strings.Join(stacks, ", "); {
	case names == "":
		return ""
	case pruned:
		return "; removed with it: " + names
	default:
		return "; what goes on and belongs to nobody: " + names
	}
}

func confirmPrune(c *cobra.Command, client *wire.Client, req api.RemoveSourceRequest) error {
	req.DryRun = true
	reply, err := api.RemoveSource.Call(c.Context(), client, req)
	if err != nil {
		return err
	}
	showPlan(c.OutOrStdout(), *reply.Plan)
	return confirm(c, fmt.Sprintf("source rm %s --prune", req.Name))
}

func sourceAdoptCommand(opt *options) *cobra.Command {
	req := api.AdoptStackRequest{}
	c := &cobra.Command{
		Use: "adopt STACK", Short: "Give a stack to another source", Args: oneArg,
		Long: `Gives a stack that runs to another source, the cluster's own remote unless --source
names one. That restarts nothing. From then on the commits of that source say what
the stack is: one that does not have it removes it.`,
		Example: "  swarmgit source adopt shop\n  swarmgit source adopt shop --source infra",
		RunE: func(c *cobra.Command, args []string) error {
			req.Stack = args[0]
			client, err := opt.connect()
			if err != nil {
				return err
			}
			if _, err := api.AdoptStack.Call(c.Context(), client, req); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "stack %s belongs to %s\n", req.Stack, req.Source)
			return nil
		},
	}
	c.Flags().StringVar(&req.Source, "source", specs.MainSource, "whose it is from now on")
	return c
}

func sourceWebhookCommand(opt *options) *cobra.Command {
	var req api.WebhookRequest
	c := &cobra.Command{
		Use: "webhook SOURCE", Short: "Print where a forge can say that a source has something new", Args: oneArg,
		Long: `Prints the address and the key of the source's webhook. A POST to it whose body is
signed with the key by HMAC-SHA256, in the header X-Hub-Signature-256 as GitHub,
Gitea and Forgejo do, has the source looked at soon. It says no more than that.`,
		Example: "  swarmgit source webhook infra\n  swarmgit source webhook infra --rotate",
		RunE: func(c *cobra.Command, args []string) error {
			req.Name = args[0]
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.GetWebhook.Call(c.Context(), client, req)
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply, func(w io.Writer) { fmt.Fprintf(w, "url: %s\nkey: %s\n", reply.URL, reply.Key) })
		},
	}
	c.Flags().BoolVar(&req.Rotate, "rotate", false, "make a new key, and the old one useless")
	return opt.formatFlag(c)
}

func sourceList(c *cobra.Command, opt *options) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListSources.Call(c.Context(), client, api.Empty{})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Sources, func(w io.Writer) { printSources(w, reply.Sources, time.Now()) })
}

func printSources(w io.Writer, sources []api.Source, now time.Time) {
	var rows [][]string
	for _, s := range sources {
		revision, url := "-", s.URL
		if s.Revision != nil {
			revision = shortCommit(s.Revision.Commit) + " " + string(s.Revision.Progress.State)
		}
		if url == "" {
			url = "(pushed)"
		}
		rows = append(rows, []string{s.Name, s.Branch, revision, fmt.Sprint(len(s.Stacks)), ago(now, s.Seen.Looked), url, sourceTrouble(s, now)})
	}
	table(w, "NAME\tBRANCH\tREVISION\tSTACKS\tLOOKED\tURL\tTROUBLE", rows)
}

// sourceTrouble is why a source is not where its repository is, "" if it is.
func sourceTrouble(s api.Source, now time.Time) string {
	if s.Changed {
		return "nothing was taken since it was changed: " + cmp.Or(notTaken(s, now), "it was not looked at yet")
	}
	return notTaken(s, now)
}

// notTaken is why the newest commit of a source was not taken, "" if it was.
func notTaken(s api.Source, now time.Time) string {
	switch {
	case s.Suspended:
		return "suspended"
	case s.Seen.Error != "":
		return fmt.Sprintf("%s (for %s, next try in %s)", s.Seen.Error, span(now.Sub(s.Seen.Since)), span(s.Seen.Next.Sub(now)))
	case s.Waiting != nil:
		return fmt.Sprintf("%s %s: %s", shortCommit(s.Waiting.Commit), s.Waiting.Progress.State, s.Waiting.Progress.Reason)
	}
	return ""
}
