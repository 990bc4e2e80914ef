// Command swarmgit is the whole of swarmgit in one binary: the daemon that runs
// on every node, and the command line that people use. Each command has a file
// of its own.
package main

func main() {}
