package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// MissingError says which commits the store's rows name and the repository does
// not have.
type MissingError struct {
	Refs map[string]string // ref name -> commit
	Lost bool              // nor does any other manager
	Why  string            // why they did not come from one, once that was tried
}

func (e *MissingError) Error() string {
	var names []string
	for _, ref := range slices.Sorted(maps.Keys(e.Refs)) {
		names = append(names, fmt.Sprintf("commit %s of %s", Short(e.Refs[ref]), Printable(branch(ref))))
	}
	all := strings.Join(names, ", ")
	if e.Lost {
		return "no manager has " + all + " any more: push the branch again from a clone that has it; what runs goes on"
	}
	text := "this manager does not have " + all + " yet: it is fetching from the other managers; push again in a moment"
	if e.Why != "" {
		text += "; the last try: " + e.Why
	}
	return text
}

// Missing says what the repository lacked when it was last compared with the
// rows, nil when nothing. While it is not nil no Git is served, but that a
// commit which is Lost may be pushed again.
func (r *Repository) Missing() *MissingError {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missing
}

// completePatience is how long a person waits for a manager that has just been
// elected to get the commits that it lacks: it asks for them once a second.
const completePatience = 3 * time.Second

// awaited is Missing once that has become nothing, or for good, or patience or ctx
// have ended.
func (r *Repository) awaited(ctx context.Context) *MissingError {
	ctx, cancel := context.WithTimeout(ctx, completePatience)
	defer cancel()
	for {
		compared := r.compared.Next()
		if missing := r.Missing(); missing == nil || missing.Lost {
			return missing
		}
		select {
		case <-compared:
		case <-ctx.Done():
			return r.Missing()
		}
	}
}

// Sync makes the local refs what refs says, which is the store's rows. Refs
// whose commits are missing stay as they are and come back in a MissingError;
// all others are set. A repository that is gone is made anew. Call it at the
// start, and when a row changed otherwise than by a push through this server.
func (r *Repository) Sync(ctx context.Context, refs func() map[string]string) error {
	r.syncing.Lock()
	defer r.syncing.Unlock()
	if !r.exists() {
		r.read.close() // it reads what is gone
		if err := r.ensure(ctx); err != nil {
			return fmt.Errorf("make repository %s anew: %w", r.dir, err)
		}
	}
	local, err := r.localRefs(ctx)
	if err != nil {
		return err
	}
	deletions, updates, missing := r.correct(ctx, local, refs())
	for _, script := range []string{deletions, updates} {
		if script == "" {
			continue
		}
		if _, err := r.git(ctx, script, "update-ref", "--stdin"); err != nil {
			return fmt.Errorf("set the refs of %s to the store's: %w", r.dir, err)
		}
	}
	return r.setMissing(missing)
}

// correct is what update-ref has to do, and which rows' commits are missing. The
// deletions come first: a branch may stand where another's folder is to be.
func (r *Repository) correct(ctx context.Context, local, rows map[string]string) (deletions, updates string, missing map[string]string) {
	var gone, set strings.Builder
	for ref, commit := range local {
		if _, kept := rows[ref]; kept || strings.HasPrefix(ref, hidden) && !outlived(ref, commit, rows) {
			continue
		}
		fmt.Fprintf(&gone, "delete %s\n", ref)
	}
	missing = map[string]string{}
	for ref, commit := range rows {
		switch {
		case local[ref] == commit:
		case r.Has(ctx, commit):
			fmt.Fprintf(&set, "update %s %s\n", ref, commit)
		default:
			missing[ref] = commit
		}
	}
	return gone.String(), set.String(), missing
}

func (r *Repository) setMissing(refs map[string]string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.compared.Ring()
	r.missing = nil
	if len(refs) == 0 {
		return nil
	}
	r.missing = &MissingError{Refs: refs, Lost: true}
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		why, tried := r.tried[refs[ref]]
		if tried && wire.KindOf(why) == wire.NotFound {
			continue
		}
		r.missing.Lost = false
		if tried && r.missing.Why == "" {
			r.missing.Why = why.Error()
		}
	}
	return r.missing
}

// Fetcher gets commits from the other managers, or from a repository elsewhere.
type Fetcher interface {
	// Fetch returns a pack of what the commit want needs beyond those of have;
	// its reads end with ctx, and the caller closes it. wire.NotFound says that
	// there is nobody who has the commit, or no other manager at all; any other
	// error, that somebody who may have it could not be asked.
	Fetch(ctx context.Context, want string, have []string) (io.ReadCloser, error)
}

// Complete syncs, gets what is missing from the other managers, and syncs again.
// Nobody waits for it but its caller: Git is served to who asks once nothing is
// missing. After a MissingError it is worth to call again, also when the commit
// is lost: a manager may be on its way back.
func (r *Repository) Complete(ctx context.Context, refs func() map[string]string, others Fetcher) error {
	var missing *MissingError
	if err := r.Sync(ctx, refs); !errors.As(err, &missing) {
		return err
	}
	tried := map[string]error{}
	for _, commit := range slices.Compact(slices.Sorted(maps.Values(missing.Refs))) {
		if err := r.regain(ctx, commit, others); err != nil {
			tried[commit] = err
		}
	}
	r.mu.Lock()
	r.tried = tried
	r.mu.Unlock()
	return r.Sync(ctx, refs)
}

// regain gets one commit from the repository that was set aside, else from
// another manager.
func (r *Repository) regain(ctx context.Context, commit string, others Fetcher) error {
	if r.salvage(ctx, commit) == nil {
		return nil
	}
	have, err := r.tips(ctx)
	if err != nil {
		return err
	}
	return r.fetch(ctx, commit, have, others, maxTransfer)
}

// fetch gets a commit that builds on those of have, or else all of it: they may
// have been damaged since.
func (r *Repository) fetch(ctx context.Context, commit string, have []string, from Fetcher, limit specs.Bytes) error {
	err := r.unpackFrom(ctx, commit, have, from, limit)
	if errors.Is(err, errNotWhole) && len(have) > 0 {
		err = r.unpackFrom(ctx, commit, nil, from, limit)
	}
	return err
}

func (r *Repository) unpackFrom(ctx context.Context, commit string, have []string, from Fetcher, limit specs.Bytes) error {
	pack, err := from.Fetch(ctx, commit, have)
	if err != nil {
		return err
	}
	defer pack.Close()
	return r.Unpack(ctx, pack, commit, limit)
}

// tips are commits that are whole and reach all others that are.
func (r *Repository) tips(ctx context.Context) ([]string, error) {
	local, err := r.localRefs(ctx)
	if err != nil {
		return nil, err
	}
	tips := slices.Compact(slices.Sorted(maps.Values(local)))
	return tips[:min(len(tips), maxHave)], nil
}

func (r *Repository) localRefs(ctx context.Context) (map[string]string, error) {
	text, err := r.git(ctx, "", "for-each-ref", "--format=%(objectname) %(refname)")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(text) {
		commit, ref, _ := strings.Cut(strings.TrimSpace(line), " ")
		refs[ref] = commit
	}
	return refs, nil
}
