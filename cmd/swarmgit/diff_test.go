package main

import (
	"os/exec"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// drawn is what differs from one run to the next: commits, and hashes of secrets.
var drawn = regexp.MustCompile(`\b[0-9a-f]{7}\b|\(([0-9a-f]{4}|[0-9a-f]{16}) -> ([0-9a-f]{4}|[0-9a-f]{16})\)`)

// scriptCommands are what scripts do beyond testscript's own commands.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	// status CODE COMMAND... runs a command that exits with the code.
	"status": func(ts *testscript.TestScript, _ bool, args []string) {
		code, err := strconv.Atoi(args[0])
		ts.Check(err)
		err = ts.Exec(args[1], args[2:]...)
		if exit, ok := err.(*exec.ExitError); code != 0 && (!ok || exit.ExitCode() != code) || code == 0 && err != nil {
			ts.Fatalf("%v, want exit status %d", err, code)
		}
	},
	// cmpdrawn FILE compares the last output with a file, in which zeros stand
	// for what is drawn.
	"cmpdrawn": func(ts *testscript.TestScript, _ bool, args []string) {
		zeros := regexp.MustCompile(`[0-9a-f]`)
		got := drawn.ReplaceAllStringFunc(ts.ReadFile("stdout"), func(text string) string {
			if len(text) > len("(0000 -> 0000)") {
				return "(0000 -> 0000)"
			}
			return zeros.ReplaceAllString(text, "0")
		})
		if want := ts.ReadFile(args[0]); got != want {
			ts.Fatalf("it prints\n%s\nwant\n%s", got, want)
		}
	},
}
