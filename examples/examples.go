// Package examples holds stack repositories to copy. It is a package so that
// the demo can carry its repository with it, and so that tests load, plan and
// run every one of them.
package examples

import "embed"

// Demo is the repository that "swarmgit demo" pushes.
//
//go:embed demo/stacks
var Demo embed.FS

// Process is what it pushes where only processes can run.
//
//go:embed process/stacks
var Process embed.FS
