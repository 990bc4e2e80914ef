package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/swarmgit/swarmgit/specs"
)

// noArgs is for commands that take none.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no argument: %q is too much: see \"%s --help\"", subject(c), args[0], c.CommandPath())
}

// optionalArg allows the one argument that the command's use line names.
func optionalArg(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return oneArg(c, args)
}

// subject is the command without the program: "service ps".
func subject(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// oneArg asks for the one argument that the command's use line names.
func oneArg(c *cobra.Command, args []string) error {
	what := strings.Trim(strings.TrimPrefix(c.Use, c.Name()+" "), "[]")
	switch len(args) {
	case 0:
		return fmt.Errorf("%s needs %s: see \"%s --help\"", subject(c), what, c.CommandPath())
	case 1:
		return nil
	}
	return fmt.Errorf("%s takes one %s: %q is too much", subject(c), what, args[1])
}

// someArgs asks for one argument or more of those that the command's use line
// names.
func someArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return oneArg(c, args)
	}
	return nil
}

// noCommand is for commands that hold others: what is given is none of them.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if typed, here := elsewhereCalled(c, args); here != "" {
		return fmt.Errorf("there is no command \"swarmgit %s\": %s", typed, here)
	}
	var known []string
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			known = append(known, child.Name())
		}
	}
	return fmt.Errorf("there is no command \"%s %s\"%s: see \"%s --help\"", c.CommandPath(), args[0], didYouMean(args[0], known), c.CommandPath())
}

func didYouMean(word string, known []string) string {
	if near := specs.Nearest(word, known); near != "" {
		return " (did you mean " + near + "?)"
	}
	return ""
}

// forEach does something to every thing that is named. One that is refused does not
// keep it from the others, and is named where there are several.
func forEach(c *cobra.Command, names []string, do func(name string) error) error {
	var refused []error
	for _, name := range names {
		err := do(name)
		if err != nil && len(names) > 1 && !strings.Contains(err.Error(), name) {
			err = fmt.Errorf("%s: %w", name, err)
		}
		if err != nil {
			refused = append(refused, err)
		}
	}
	if len(refused) < 2 {
		return errors.Join(refused...)
	}
	for _, err := range refused {
		fmt.Fprintln(c.ErrOrStderr(), "swarmgit: "+err.Error())
	}
	return exitCode(1)
}

// removeEach removes every thing that is named, and prints the names of those that
// are gone.
func removeEach(c *cobra.Command, names []string, remove func(name string) error) error {
	return forEach(c, names, func(name string) error {
		err := remove(name)
		if err == nil {
			fmt.Fprintln(c.OutOrStdout(), name)
		}
		return err
	})
}

// choice is the value of a flag that takes some words only.
type choice struct {
	value *string
	words []string
}

func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

func (c *choice) Type() string { return "string" }

func (c *choice) Set(value string) error {
	if !slices.Contains(c.words, value) {
		last := len(c.words) - 1
		return fmt.Errorf("use %s or %s", strings.Join(c.words[:last], ", "), c.words[last])
	}
	*c.value = value
	return nil
}

// place is the value of a flag that is a path, but for some words. It is kept from
// the root on: a daemon is asked, and started again, from other directories.
type place struct {
	path  *string
	words []string
}

func (p *place) String() string {
	if p.path == nil {
		return ""
	}
	return *p.path
}

func (p *place) Type() string { return "string" }

func (p *place) Set(value string) (err error) {
	switch {
	case value == "":
		return errors.New("it must not be empty")
	case !slices.Contains(p.words, value):
		value, err = filepath.Abs(value)
	}
	*p.path = value
	return err
}

// dataDirFlag adds --data-dir.
func dataDirFlag(f *pflag.FlagSet, dataDir *string, byDefault string) {
	*dataDir = byDefault
	f.Var(&place{path: dataDir}, "data-dir", "where the node keeps everything")
}

// flagError says which flag a command does not have, or of a flag's value what would
// be a good one.
func flagError(c *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		return noFlag(c, unknown)
	case errors.As(err, &bare):
		return fmt.Errorf("--%s needs a value: see \"%s --help\"", bare.GetFlag().Name, c.CommandPath())
	case !errors.As(err, &invalid):
		return err
	}
	wanted := map[string]string{
		"int":      "not a number",
		"duration": "not a duration such as 90s or 10m",
		"bool":     "neither true nor false",
	}
	flag := invalid.GetFlag()
	words, ok := wanted[flag.Value.Type()]
	if !ok {
		words = errors.Unwrap(invalid).Error()
	}
	return fmt.Errorf("--%s %s: %s", flag.Name, invalid.GetValue(), words)
}

func noFlag(c *cobra.Command, err *pflag.NotExistError) error {
	if words := c.Flags().Args(); c.HasSubCommands() && len(words) > 0 { // the flag is of a command that is none
		return noCommand(c, words)
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	flag := err.GetSpecifiedName()
	if err.GetSpecifiedShortnames() != "" {
		flag = "-" + flag
	} else {
		flag = "--" + flag + didYouMean(flag, known)
	}
	if flag == "--format" && c.Flags().Lookup("output") != nil {
		return fmt.Errorf("%s has no flag --format: -o json gives all fields, to pick from with jq", subject(c))
	}
	return fmt.Errorf("%s has no flag %s: see \"%s --help\"", subject(c), flag, c.CommandPath())
}

// notNegative refuses a flag's duration that would lie in the past.
func notNegative(flag string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("--%s %s: it must not be negative: give it as 90s, 10m or 720h", flag, d)
	}
	return nil
}
