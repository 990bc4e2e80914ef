package reconciler

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/specs"
)

// plural is "1 stack" or "3 stacks".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// seconds is a short time as people read it: "8.4s", "2m10s".
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// writeProblem says one problem: its place, and below it what is wrong.
func writeProblem(out io.Writer, p specs.Problem) {
	head := p.Position.String() + ":"
	if p.File == "" {
		head = ""
	}
	if p.Path != "" {
		head += " " + p.Path + ":"
	}
	if head != "" {
		fmt.Fprintln(out, strings.TrimSpace(head))
	}
	io.WriteString(out, git.Wrap("  "+p.Message, "  "))
}
