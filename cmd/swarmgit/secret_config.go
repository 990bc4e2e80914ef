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

// fileExamples are what help texts show.
var fileExamples = map[specs.FileKind]struct{ name, create string }{
	specs.Secret: {"db", "  swarmgit secret create db_1 password.txt\n  pass show db | swarmgit secret create db_2 -"},
	specs.Config: {"app", "  swarmgit config create app_1 app.conf\n  envsubst < app.conf.in | swarmgit config create app_2 -"},
}

// fileCommand is `swarmgit secret` or `swarmgit config`.
func fileCommand(opt *options, kind specs.FileKind) *cobra.Command {
	k := string(kind)
	what := "What a secret holds is never shown again."
	if kind == specs.Config {
		what = "What it holds is shown to whoever may ask."
	}
	list := opt.formatFlag(&cobra.Command{
		Use: "ls", Short: "List the " + k + "s of services, and those created here", Args: noArgs,
		Example: "  swarmgit " + k + " ls",
		RunE:    func(c *cobra.Command, _ []string) error { return fileList(c, opt, kind) },
	})
	inspect := prettyFlag(&cobra.Command{
		Use: "inspect NAME", Short: "Show a " + k + " and who uses it, as JSON", Args: oneArg,
		Long:    "Shows a " + k + ", its versions and the services that use them, as JSON.\n" + what,
		Example: "  swarmgit " + k + " inspect --pretty shop_" + fileExamples[kind].name,
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			file, err := api.InspectFile.Call(c.Context(), client, api.FileName{Kind: kind, Name: args[0]})
			if err != nil {
				return err
			}
			return inspected(c, file, func(d *details) { d.file(file) })
		},
	})
	remove := &cobra.Command{
		Use: "rm NAME...", Short: "Remove " + k + "s that were created here and no service uses", Args: someArgs,
		Example: "  swarmgit " + k + " rm " + fileExamples[kind].name + "_1",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			return removeEach(c, args, func(name string) error {
				_, err := api.RemoveFile.Call(c.Context(), client, api.FileName{Kind: kind, Name: name})
				return err
			})
		},
	}
	return group(k, "Create, list and remove "+k+"s", fileCreateCommand(opt, kind), list, inspect, remove)
}

func fileCreateCommand(opt *options, kind specs.FileKind) *cobra.Command {
	k := string(kind)
	var labels []string
	req := api.CreateFileRequest{FileName: api.FileName{Kind: kind}}
	c := &cobra.Command{
		Use: "create NAME FILE|-", Short: "Create a " + k + " of a file or of standard input", Args: nameAndFile,
		Long: `Creates a ` + k + ` that stacks of any repository can use:

    ` + k + `s:
      app:
        external: true
        name: NAME

It never changes: for another content create one of another name, and name that in
the stack file. It stays until it is removed.`,
		Example: fileExamples[kind].create,
		RunE: func(c *cobra.Command, args []string) (err error) {
			req.Name = args[0]
			if req.Labels, err = parseLabels("--label", labels); err != nil {
				return err
			}
			text, err := readFile(c, args[1])
			if err != nil {
				return fmt.Errorf("%s create: %w", kind, err)
			}
			req.Content = []byte(text)
			client, err := opt.connect()
			if err != nil {
				return err
			}
			if _, err := api.CreateFile.Call(c.Context(), client, req); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), req.Name)
			return nil
		},
	}
	c.Flags().StringArrayVarP(&labels, "label", "l", nil, "key=value; may be repeated")
	c.Flags().StringVar(&req.Template, "template-driver", "", "golang: each task gets the file with its {{...}} expanded")
	return c
}

// nameAndFile asks for both arguments of create.
func nameAndFile(c *cobra.Command, args []string) error {
	k := c.Parent().Name()
	switch {
	case len(args) == 2 && args[1] != "":
		return nil
	case len(args) == 1, len(args) == 2:
		return fmt.Errorf("%s create %s: what does it hold? Name a FILE, or - for standard input", k, args[0])
	}
	return fmt.Errorf("%s create takes a NAME and a FILE, or - for standard input: see \"%s --help\"", k, c.CommandPath())
}

func fileList(c *cobra.Command, opt *options, kind specs.FileKind) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListFiles.Call(c.Context(), client, api.ListFilesRequest{Kind: kind})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Files, func(w io.Writer) {
		var rows [][]string
		for _, f := range reply.Files {
			from, created := "repository", ""
			if f.External {
				from, created = "external", ago(time.Now(), f.Created)
			}
			for _, v := range f.Versions {
				rows = append(rows, []string{f.Name, v.Version.Short(), from, created, strings.Join(v.Services, ", ")})
			}
		}
		table(w, "NAME\tVERSION\tFROM\tCREATED\tUSED BY", rows)
	})
}

// file shows what a config holds as its lines.
func (d *details) file(f api.File) {
	d.line("Name", f.Name)
	d.labels("Labels", f.Labels)
	if f.External {
		d.line("Created at", f.Created.UTC().Format(time.RFC3339))
	}
	d.line("Template driver", f.Template)
	for _, v := range f.Versions {
		d.line("Version", v.Version.Short())
		d.line("Used by", strings.Join(v.Services, ", "))
		if len(v.Content) > 0 {
			fmt.Fprintln(d.w, "Data:")
			for line := range strings.Lines(string(v.Content)) {
				fmt.Fprintln(d.w, oneLine(strings.TrimSuffix(line, "\n")))
			}
		}
	}
}

func ageKeyCommand(opt *options) *cobra.Command {
	return opt.formatFlag(&cobra.Command{
		Use: "age-key", Short: "Print whom to encrypt secrets for, so that only the cluster reads them", Args: noArgs,
		Long: `Prints the cluster's age recipient. A file of the repository whose name ends in
.age and that is encrypted for it can be a secret of a stack; the managers alone
can decrypt it. The first call makes the key; it stays the same from then on.`,
		Example: "  age -r $(swarmgit age-key) -o stacks/shop/tls.key.age tls.key\n  swarmgit age-key > .age-recipients",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			reply, err := api.GetAgeKey.Call(c.Context(), client, api.Empty{})
			if err != nil {
				return err
			}
			return opt.print(c.OutOrStdout(), reply, func(w io.Writer) { fmt.Fprintln(w, reply.Recipient) })
		},
	})
}
