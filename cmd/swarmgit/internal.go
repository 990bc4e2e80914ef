package main

import "os"

// executable is the path of this program, for hooks and helpers to come back.
func executable() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
