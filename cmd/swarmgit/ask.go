package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// What a command asks a person for, or reads from standard input.

// confirm asks whether to do what was shown.
func confirm(c *cobra.Command, what string) error {
	fmt.Fprint(c.OutOrStdout(), "\nDo it? [y/N] ")
	var answer string
	_, _ = fmt.Fscanln(input(c), &answer) // no answer is no
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		fmt.Fprintln(c.OutOrStdout())
		return fmt.Errorf("%s: nothing was changed: answer y, or say --yes", what)
	}
	return nil
}

// readerFunc is a reader of one function.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// input is standard input until the command is told to end: Ctrl-C ends a wait for
// a person too. A read that is given up goes on until the process ends.
func input(c *cobra.Command) io.Reader {
	in, ctx := c.InOrStdin(), c.Context()
	return readerFunc(func(p []byte) (int, error) {
		type answer struct {
			text []byte
			err  error
		}
		answered := make(chan answer, 1)
		go func() {
			text := make([]byte, len(p))
			n, err := in.Read(text)
			answered <- answer{text[:n], err}
		}()
		select {
		case a := <-answered:
			return copy(p, a.text), a.err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
}

// readLine reads one line and nothing beyond it.
func readLine(in io.Reader) (string, error) {
	var line []byte
	for key := make([]byte, 1); ; {
		if _, err := io.ReadFull(in, key); err != nil {
			return "", err
		}
		if key[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, key[0])
	}
}

// maxInput is more than any secret, config or key may have, in bytes: what is
// larger is refused by its size, not read to its end.
const maxInput = 2 << 20

// readFile reads a file, "-" for standard input, and nothing for no name.
func readFile(c *cobra.Command, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	in := input(c)
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput))
	return string(text), err
}
