package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/schema"
	"github.com/swarmgit/swarmgit/specs"
)

func validateCommand(opt *options) *cobra.Command {
	var path string
	c := opt.formatFlag(&cobra.Command{
		Use: "validate [DIR]", Short: "Check the stack files of a directory, without any cluster", Args: optionalArg,
		Long: `Checks every stack file below DIR (the current directory by default) and reports
all mistakes at once, each with file, line and column.

Exit status: 0 when a push would be accepted, 1 when it would be refused.`,
		Example: "  swarmgit validate\n  swarmgit validate examples/demo\n  swarmgit validate --path environments/prod",
		RunE: func(c *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return validate(c, opt, dir, path)
		},
	})
	pathFlag(c, &path)
	return c
}

// pathFlag adds --path, as a source has it.
func pathFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "path", "", "the folder of the repository that holds the stacks, or their swarmgit.yaml (default: the root)")
}

// validation is the JSON form of the answer.
type validation struct {
	Stacks   int             `json:"stacks"`
	Services int             `json:"services"`
	Problems []specs.Problem `json:"problems"`
	Warnings []specs.Problem `json:"warnings"`
}

func validate(c *cobra.Command, opt *options, dir, path string) error {
	if info, err := os.Stat(dir); os.IsNotExist(err) {
		return fmt.Errorf("validate %s: no such directory", dir)
	} else if err != nil {
		return fmt.Errorf("validate %s: %w", dir, err)
	} else if !info.IsDir() {
		return fmt.Errorf("validate %s: not a directory: name the directory that holds stacks/", dir)
	}
	loaded := schema.Load(c.Context(), os.DirFS(dir), schema.Options{Path: path})
	v := validation{Stacks: len(loaded.Stacks), Problems: []specs.Problem{}, Warnings: []specs.Problem{}} // no null in JSON
	v.Problems, v.Warnings = append(v.Problems, loaded.Problems...), append(v.Warnings, loaded.Warnings...)
	for _, s := range loaded.Stacks {
		v.Services += len(s.Services)
	}
	if err := opt.print(c.OutOrStdout(), v, func(w io.Writer) { printValidation(w, dir, v) }); err != nil {
		return err
	}
	if len(v.Problems) > 0 {
		return exitCode(1)
	}
	return nil
}

func printValidation(w io.Writer, dir string, v validation) {
	for _, p := range v.Problems {
		fmt.Fprintln(w, p)
	}
	for _, p := range v.Warnings {
		fmt.Fprintln(w, "! "+p.String())
	}
	switch {
	case len(v.Problems) > 0:
		fmt.Fprintf(w, "%s\n", plural(len(v.Problems), "problem"))
	case v.Stacks == 0:
		fmt.Fprintf(w, "no stacks below %s: put one at stacks/NAME/stack.yml\n", dir)
	default:
		fmt.Fprintf(w, "valid: %s, %s\n", plural(v.Stacks, "stack"), plural(v.Services, "service"))
	}
}
