package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/reconciler/api"
)

func imageCommand(opt *options) *cobra.Command {
	load := opt.formatFlag(&cobra.Command{
		Use: "load [FILE]", Short: "Load images from an archive into this node", Args: optionalArg,
		Long: `Loads the images of an archive, as "docker save" writes it or as an OCI layout in
a tar file, into the node whose daemon answers. Reads standard input when no
FILE is given. No registry is needed for a loaded image, and it stays until it is
removed: by "swarmgit image rm" or "image prune".`,
		Example: "  docker save web:1.4.0 | swarmgit image load\n  swarmgit image load web.tar",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "-" {
				if isTerminal(c.InOrStdin()) {
					return errors.New("image load: name a FILE, or pass an archive on standard input: nothing is passed there")
				}
				return imageLoad(c, opt, input(c))
			}
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("image load: %w", err)
			}
			defer file.Close()
			return imageLoad(c, opt, file)
		},
	})
	list := opt.formatFlag(&cobra.Command{
		Use: "ls", Short: "List the images of this node", Args: noArgs,
		Long: `Lists the images of the node whose daemon answers. One from a registry is removed by
itself: when no task of the node and nothing that its services would go back to has
needed it for 24 hours, or at once while the disk is more than 85 % full, the oldest
first. One from an archive, or of which it is not known, stays.`,
		Example: "  swarmgit image ls",
		RunE:    func(c *cobra.Command, _ []string) error { return imageList(c, opt) },
	})
	return group("image", "Load, list and remove the images of this node", load, list, imageRemoveCommand(opt), imagePruneCommand(opt))
}

// loadChunk is how much of an archive travels at once.
const loadChunk = 256 << 10

func imageLoad(c *cobra.Command, opt *options, archive io.Reader) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.LoadImage.Call(c.Context(), client, func(send func(api.Chunk) error) error {
		buf := make([]byte, loadChunk)
		for {
			n, err := io.ReadFull(archive, buf)
			if n > 0 {
				if err := send(api.Chunk{Data: buf[:n]}); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("image load: read the archive: %w", err)
			}
		}
	})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Images, func(w io.Writer) {
		for _, image := range reply.Images {
			fmt.Fprintf(w, "Loaded image: %s\n", shownName(image))
		}
	})
}

func imageList(c *cobra.Command, opt *options) error {
	client, err := opt.connect()
	if err != nil {
		return err
	}
	reply, err := api.ListImages.Call(c.Context(), client, api.Empty{})
	if err != nil {
		return err
	}
	return opt.print(c.OutOrStdout(), reply.Images, func(w io.Writer) {
		printImages(w, reply.Images)
	})
}

// shownName is NAME:TAG, in short where Docker has a short one.
func shownName(image api.Image) string {
	name, _, fixed := strings.Cut(cmp.Or(image.PulledAs, image.Name), "@")
	if fixed {
		name += ":<none>"
	}
	return strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
}

func printImages(w io.Writer, images []api.Image) {
	var rows [][]string
	for _, image := range images {
		from := "archive"
		if image.Pulled {
			from = "registry"
		}
		rows = append(rows, []string{shownName(image), image.Digest, size(int64(image.Size)), from})
	}
	table(w, "NAME\tDIGEST\tSIZE\tFROM", rows)
}
