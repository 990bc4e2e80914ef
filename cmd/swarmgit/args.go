package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// oneArg asks for the one argument that the command's use line names.
func oneArg(c *cobra.Command, args []string) error {
	path := strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
	what := strings.TrimPrefix(c.Use, c.Name()+" ")
	switch len(args) {
	case 0:
		return fmt.Errorf("%s needs %s: see \"%s --help\"", path, what, c.CommandPath())
	case 1:
		return nil
	}
	return fmt.Errorf("%s takes one %s: %q is too much", path, what, args[1])
}

// someArgs asks for one argument or more of those that the command's use line
// names.
func someArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return oneArg(c, args)
	}
	return nil
}

// flagError says of a flag's value what would be a good one.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	wanted := map[string]string{
		"int":      "not a number",
		"duration": "not a duration such as 90s or 10m",
		"bool":     "neither true nor false",
	}
	flag := invalid.GetFlag()
	if words, ok := wanted[flag.Value.Type()]; ok {
		return fmt.Errorf("--%s %s: %s", flag.Name, invalid.GetValue(), words)
	}
	return err
}
