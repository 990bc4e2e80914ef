package main

import "os"

// internalProcess runs what swarmgit starts itself as, before anything of the
// command line is built. It is false for a person's command.
func internalProcess([]string) (code int, ok bool) { return 0, false }

// executable is the path of this program, for helpers to come back.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
