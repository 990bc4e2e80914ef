package main

import (
	_ "embed"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed swarmgit.service
var unitFile string

func daemonUnitCommand() *cobra.Command {
	var dataDir string
	c := &cobra.Command{
		Use: "unit", Short: "Print a systemd unit for the daemon", Args: noArgs,
		Long: `Prints a systemd unit that keeps the daemon of a data directory running. Start
the node once by hand with --init or --join: after that the data directory is all
that a daemon has to be told.

A stop or restart of the unit leaves the tasks running; "swarmgit daemon end" stops
them. systemd restarts a daemon that has failed or does not answer any more, but not
one that has left its cluster. Stop one that was started by hand first.`,
		Example: "  swarmgit daemon unit | sudo tee /etc/systemd/system/swarmgit.service\n  sudo systemctl daemon-reload && sudo systemctl enable --now swarmgit",
		RunE: func(c *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err != nil {
				return fmt.Errorf("daemon unit: find this program: %w", err)
			}
			_, err = fmt.Fprint(c.OutOrStdout(), unit(program, dataDir))
			return err
		},
	}
	dataDirFlag(c.Flags(), &dataDir, "/var/lib/swarmgit")
	return c
}

// unit is the unit of the daemon of a data directory.
func unit(program, dataDir string) string {
	return strings.NewReplacer("PROGRAM", unitWord(program), "DATADIR", unitWord(dataDir)).Replace(unitFile)
}

// unitWord is one word of a command line in a unit: quoted, and without what
// systemd would replace.
func unitWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(s) + `"`
}
