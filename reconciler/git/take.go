package git

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// Take gets a commit from a repository elsewhere, in a pack of at most limit
// bytes that builds on the commit old if that is here: a history that was
// rewritten comes as a whole. It promises what Unpack does. Reads of the pack
// must end with ctx.
func (r *Repository) Take(ctx context.Context, commit, old string, from Fetcher, limit specs.Bytes) error {
	if r.Has(ctx, commit) {
		return r.again(ctx, commit)
	}
	var have []string
	if old != "" && r.Has(ctx, old) {
		have = append(have, old)
	}
	err := r.fetch(ctx, commit, have, from, limit)
	if err != nil && strings.Contains(err.Error(), "exceeds maximum allowed size") {
		return fmt.Errorf("it is larger than the %s that are taken at once, its history included: use a repository for stack files only", limit)
	}
	return err
}

// Descends reports whether one commit has another in its history. That one may
// be lost.
func (r *Repository) Descends(ctx context.Context, commit, from string) (bool, error) {
	if _, err := r.Resolve(ctx, from); errors.Is(err, errMissing) {
		return false, nil
	}
	return r.descends(ctx, Environment(), commit, from)
}

func (r *Repository) descends(ctx context.Context, env []string, commit, from string) (bool, error) {
	cmd := exec.CommandContext(ctx, "git", "--git-dir="+r.dir, "merge-base", "--is-ancestor", from, commit)
	cmd.Env = env
	_, err := output(cmd, "")
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return false, nil
	}
	return err == nil, err
}
