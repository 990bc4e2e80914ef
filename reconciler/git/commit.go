package git

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// maxCommit is the size of a commit object that is read: people's messages are
// a thousandth of it.
const maxCommit = 1 << 20

// Commit is what a commit object says.
type Commit struct {
	Hash    string
	Tree    string
	Parents []string
	Author  string // the name
	Subject string // the first line of the message
}

// Short is the commit's hash as people are shown it.
func (c Commit) Short() string { return Short(c.Hash) }

// Short is the first seven digits of a hash.
func Short(hash string) string { return hash[:min(7, len(hash))] }

// maxRevision is how long a revision is at most, in bytes.
const maxRevision = 1000

// Resolve says which commit a revision means, as git rev-parse would: a hash or
// its start, a branch, "main~2". It searches for no text: that takes as long, and
// as much memory, as whoever asks likes.
func (r *Repository) Resolve(ctx context.Context, revision string) (Commit, error) {
	if len(revision) > maxRevision || strings.ContainsAny(revision, ":{") {
		return Commit{}, noCommit(shorten(Printable(revision), 40))
	}
	return r.read.commit(ctx, revision)
}

func (o *objects) commit(ctx context.Context, revision string) (Commit, error) {
	if strings.HasPrefix(revision, "-") {
		return Commit{}, fmt.Errorf("%q names no commit", revision)
	}
	found, err := o.get(ctx, revision+"^{commit}", maxCommit)
	switch {
	case errors.Is(err, errMissing):
		return Commit{}, noCommit(revision)
	case err != nil:
		return Commit{}, err
	case found.data == nil:
		return Commit{}, fmt.Errorf("commit %s: its %d bytes are more than the %d that are read", Short(found.hash), found.size, maxCommit)
	}
	return parseCommit(found.hash, string(found.data))
}

func parseCommit(hash, text string) (Commit, error) {
	commit := Commit{Hash: hash}
	head, message, _ := strings.Cut(text, "\n\n")
	for line := range strings.SplitSeq(head, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			commit.Tree = value
		case "parent":
			commit.Parents = append(commit.Parents, value)
		case "author":
			name, _, _ := strings.Cut(value, "<") // "Ana <ana@example> 1700000000 +0100"
			commit.Author = Printable(strings.TrimSpace(name))
		}
	}
	if commit.Tree == "" {
		return Commit{}, fmt.Errorf("commit %s has no tree", Short(hash))
	}
	commit.Subject, _, _ = strings.Cut(strings.TrimLeft(message, "\n"), "\n")
	commit.Subject = Printable(commit.Subject)
	return commit, nil
}

// noCommit is a name of no commit; for who asks with errors.Is it is errMissing.
type noCommit string

func (n noCommit) Error() string {
	return string(n) + " names no commit that the cluster has: push it to a branch first (git push swarm HEAD:review/NAME)"
}

func (noCommit) Is(target error) bool { return target == errMissing }
