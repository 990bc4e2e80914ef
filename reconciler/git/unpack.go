package git

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// Unpack takes in a pack of at most limit bytes which brings the commit want. It
// reads in to its end, or as far as git does; reads of in must end with ctx. A
// thin pack must build on what is here.
//
// Once it has returned nil, the commit is whole, its objects have been checked
// as those of a push are, pack, index and the folder that names them are synced
// to disk, and no housekeeping removes them for keepIncoming. Otherwise nothing
// is left of the pack. Refs are not synced: they are a cache of the rows.
func (r *Repository) Unpack(ctx context.Context, in io.Reader, want string, limit specs.Bytes) error {
	if !isHash(want) {
		return fmt.Errorf("%q is not a commit", want)
	}
	folder, err := os.MkdirTemp(filepath.Join(r.dir, "objects"), "tmp_objdir-unpack-")
	if err != nil {
		return fmt.Errorf("take in commit %s: %w", Short(want), err)
	}
	defer os.RemoveAll(folder)
	if err = r.index(ctx, folder, in, limit); err == nil {
		err = r.admit(ctx, folder, want)
	}
	if err != nil {
		return fmt.Errorf("take in commit %s: %w", Short(want), err)
	}
	return nil
}

// index checks a pack, completes it and syncs it, in a folder of its own.
func (r *Repository) index(ctx context.Context, folder string, pack io.Reader, limit specs.Bytes) error {
	cmd := exec.CommandContext(ctx, "git", "--git-dir="+r.dir, "index-pack", "--stdin", "--fix-thin", "--strict", fmt.Sprintf("--max-input-size=%d", limit))
	complaint := &head{limit: maxComplaint}
	cmd.Env, cmd.Stderr = Environment(quarantine(r.dir, folder)...), complaint
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	// Not by the command's own goroutine, which could be left reading when git
	// has ended.
	from := &source{in: pack}
	_, _ = io.Copy(in, from)
	if from.err != nil {
		_ = cmd.Process.Kill() // a pack that was cut must not count as one that is bad
	}
	_ = in.Close()
	err = cmd.Wait()
	switch {
	case from.err != nil:
		return fmt.Errorf("read the pack: %w", from.err)
	case gitSays(err) && buildsOnNothing(complaint.String()):
		return fmt.Errorf("%w that the pack builds on", errNotWhole)
	case err != nil:
		return fmt.Errorf("index the pack: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

// buildsOnNothing knows how index-pack says that a thin pack's base is not here.
func buildsOnNothing(complaint string) bool {
	return strings.Contains(complaint, "unresolved delta") || strings.Contains(complaint, "did not receive expected object")
}

// source remembers that reading failed, where io.Copy does not tell it from
// writing.
type source struct {
	in  io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// admit moves what was indexed to the other objects when it makes the commit
// whole. It holds a slot, so that housekeeping does not remove what the commit
// builds on before a ref reaches it.
func (r *Repository) admit(ctx context.Context, folder, commit string) error {
	if err := r.acquire(ctx); err != nil {
		return err
	}
	defer r.release()
	if err := r.whole(ctx, Environment(quarantine(r.dir, folder)...), commit); err != nil {
		return err
	}
	// Git finds a pack by its index, which therefore comes last.
	for _, kind := range []string{"pack", "rev", "idx"} {
		files, err := filepath.Glob(filepath.Join(folder, "pack", "*."+kind))
		if err != nil {
			return err
		}
		for _, file := range files {
			if err := os.Rename(file, filepath.Join(r.dir, "objects/pack", filepath.Base(file))); err != nil {
				return err
			}
		}
	}
	if err := r.syncPacks(); err != nil {
		return err
	}
	return r.keep(ctx, commit)
}

const (
	// incoming is where refs stand that keep commits until a row names them. Its
	// names end in the time, in Unix seconds, and the commit.
	incoming = hidden + "incoming/"
	// hidden is what no client sees and no row is of.
	hidden = "refs/swarmgit/"
	// keepIncoming is how long a commit is kept that no row names: a push that
	// has not moved its row by then never will.
	keepIncoming = time.Hour
)

// keep holds housekeeping off a commit for keepIncoming.
func (r *Repository) keep(ctx context.Context, commit string) error {
	_, err := r.git(ctx, "", "update-ref", fmt.Sprintf("%s%d-%s", incoming, time.Now().Unix(), commit), commit)
	return err
}

// outlived reports that a ref of incoming has done its work, or never will.
func outlived(ref, commit string, rows map[string]string) bool {
	for _, row := range rows {
		if row == commit {
			return true
		}
	}
	var since int64
	_, err := fmt.Sscanf(strings.TrimPrefix(ref, incoming), "%d-", &since)
	return err != nil || time.Since(time.Unix(since, 0)) > keepIncoming
}
