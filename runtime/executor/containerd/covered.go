package containerd

import (
	"fmt"
	"path"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// covered is why a task could not be made, with the secret or config that is in the
// way of its program, or of which the image has no place; else it is err.
func covered(task specs.TaskSpec, err error) error {
	text := clean(err)
	for kind, ref := range task.FileRefs {
		switch {
		case strings.Contains(text, fmt.Sprintf("to rootfs at %q: ", ref.Target)) && strings.HasSuffix(text, ": not a directory"):
			return fmt.Errorf("%s %s cannot be at %s: the image has a directory there, or a file above it: give it another target", kind, ref.Name, ref.Target)
		case isProgram(text, ref.Target):
			return fmt.Errorf("%s: %s %s lies at %s, and no secret or config can be executed: give it another target, or an interpreter", text, kind, ref.Name, ref.Target)
		}
	}
	return err
}

// isProgram reports whether an error of runc is about the file as the task's
// program: by its path, or by its name in PATH.
func isProgram(text, file string) bool {
	return strings.HasPrefix(text, "exec "+file+": ") || strings.HasPrefix(text, fmt.Sprintf("exec: %q: ", file)) ||
		strings.HasPrefix(text, fmt.Sprintf("exec: %q: ", path.Base(file)))
}
