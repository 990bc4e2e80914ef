package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// leaveCluster asks a daemon, over its own socket only, to leave its cluster.
const leaveCluster = wire.ServerStream[leaveRequest, leaveReply]("/swarmgit.daemon/Leave")

type leaveRequest struct {
	Force bool `json:"force,omitempty"`
}

// leaveReply is one thing that happened; the stream ends with the daemon. A node
// has left once its identity is gone from its data directory.
type leaveReply struct {
	Text    string `json:"text"`
	DataDir string `json:"data_dir"`
}

func leaveCommand(opt *options) *cobra.Command {
	var request leaveRequest
	c := &cobra.Command{
		Use: "leave", Short: "Take this node out of its cluster", Args: noArgs,
		Long: `Takes the node whose daemon answers out of its cluster. The managers forget it at
once and replace its tasks elsewhere; here the tasks are stopped, each within its
grace period, the node's identity and what it knew of the cluster are removed, and
the daemon ends. Images and volumes stay. To be a node again it needs "swarmgit
daemon --init" or "--join".

A manager is refused, because the others need its vote: demote it first. With
--force it hands over and goes, or goes without that if it cannot hand over. When
the last manager leaves, the cluster is lost with it.`,
		Example: "  sudo swarmgit leave\n  sudo swarmgit leave --force",
		RunE: func(c *cobra.Command, _ []string) error {
			if host := opt.address(); isURL(host) {
				return fmt.Errorf("leave: a daemon is told to leave by its own socket only, not by %s: run it on that node", host)
			}
			client, err := opt.connect()
			if err != nil {
				return err
			}
			defer client.Close()
			dataDir := ""
			for reply, err := range leaveCluster.Call(c.Context(), client, request) {
				if err != nil && dataDir == "" {
					return fmt.Errorf("leave: %w", err)
				}
				if err != nil {
					break // the daemon ends, and the stream with it
				}
				dataDir = reply.DataDir
				fmt.Fprintln(c.OutOrStdout(), reply.Text)
			}
			if dataDir == "" {
				return errors.New("leave: the daemon ended before it began with it: start it again (swarmgit daemon), and ask again")
			}
			if err := awaitLeft(c.Context(), dataDir); err != nil {
				return fmt.Errorf("leave: %w", err)
			}
			fmt.Fprintln(c.OutOrStdout(), "this node has left; its daemon has ended")
			return nil
		},
	}
	c.Flags().BoolVarP(&request.Force, "force", "f", false, "also if it is a manager, and if the cluster is lost by that")
	return c
}

const (
	// leftPatience bounds how long a daemon takes to end once its tasks have.
	leftPatience = time.Minute
	// leftPause is how often its end is looked for.
	leftPause = 50 * time.Millisecond
)

// awaitLeft returns once the data directory is no node's any more.
func awaitLeft(ctx context.Context, dataDir string) error {
	for deadline := time.After(leftPatience); ; {
		lock, locked := lockDataDir(dataDir)
		if errors.Is(locked, fs.ErrNotExist) { // the socket was forwarded
			return fmt.Errorf("its end is not seen from here: the data directory %s is not on this machine: see the daemon's log there", dataDir)
		}
		if locked == nil {
			_ = lock.Close() // nothing was written
		}
		if _, err := os.Lstat(identityDir(dataDir)); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if locked == nil {
			return errors.New("the daemon has ended and was not done: see its log, start it again (swarmgit daemon), and ask again")
		}
		select {
		case <-time.After(leftPause):
		case <-deadline:
			return errors.New("the daemon is not done yet: see its log")
		case <-ctx.Done():
			return errors.New("not shown any more; the node goes on to leave: see the daemon's log")
		}
	}
}
