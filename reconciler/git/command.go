package git

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// maxAlloc is the most that git allocates at once. It unpacks deltas in memory, and
// a kilobyte of one can say to make gigabytes. Large files that are no deltas it reads
// in pieces.
const maxAlloc = "256m"

// Environment is all that a git process of ours sees: nobody's configuration,
// identity, credentials or language, and no room for a bomb.
func Environment(extra ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ALLOC_LIMIT=" + maxAlloc,
	}, extra...)
}

// git runs one git command on the repository and returns what it printed. At the
// end of ctx it is asked to end, and so removes its locks: a killed git would
// leave them in everybody's way until the next start.
func (r *Repository) git(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + r.dir}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endLimit
	return output(cmd, stdin)
}

// endLimit is how long a git that was asked to end may take before it is killed.
const endLimit = 5 * time.Second

func output(cmd *exec.Cmd, stdin string) (string, error) {
	var stdout, stderr bytes.Buffer
	if cmd.Env == nil {
		cmd.Env = Environment()
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(stderr.String()); said != "" {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, said)
		}
		return "", fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return stdout.String(), nil
}
