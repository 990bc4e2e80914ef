package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs/wire"
)

func imageRemoveCommand(opt *options) *cobra.Command {
	return &cobra.Command{
		Use: "rm IMAGE...", Short: "Remove images from this node that no task uses", Args: someArgs,
		Long: `Removes images from the node whose daemon answers: by their names, as "image ls"
shows them, or by a digest or its first 12 digits. One that a task uses stays, and
the task is named.`,
		Example: "  swarmgit image rm demo/web:1.0\n  swarmgit image rm 4f1c09be77aa",
		RunE: func(c *cobra.Command, args []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			return removeImages(c, client, args)
		},
	}
}

func removeImages(c *cobra.Command, client *wire.Client, names []string) error {
	return removeEach(c, names, func(name string) error {
		_, err := api.RemoveImage.Call(c.Context(), client, api.ByName{Name: name})
		return err
	})
}

func imagePruneCommand(opt *options) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "prune", Short: "Remove all images from this node that nothing needs", Args: noArgs,
		Long: `Lists the images of the node whose daemon answers that no task there and nothing that
its services would go back to needs, asks, and removes them: those from archives too,
which come back by "swarmgit image load" alone.`,
		Example: "  swarmgit image prune\n  swarmgit image prune --yes",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := opt.connect()
			if err != nil {
				return err
			}
			unused, err := api.UnusedImages.Call(c.Context(), client, api.Empty{})
			if err != nil {
				return err
			}
			if len(unused.Images) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "nothing to remove: something needs each image of this node")
				return nil
			}
			names := showUnused(c, unused.Images)
			if !yes {
				if err := confirm(c, "image prune"); err != nil {
					return err
				}
			}
			return removeImages(c, client, names)
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// showUnused shows what would go, and returns its names.
func showUnused(c *cobra.Command, images []api.Image) (names []string) {
	var sum int64
	for _, image := range images {
		names, sum = append(names, image.Name), sum+int64(image.Size)
	}
	printImages(c.OutOrStdout(), images)
	fmt.Fprintf(c.OutOrStdout(), "\n%s, %s packed; layers that others share stay\n", plural(len(images), "image"), size(sum))
	return names
}
