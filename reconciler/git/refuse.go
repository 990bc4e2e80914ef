package git

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// refusal is a push that cannot be, in words.
type refusal struct {
	why     string // a few words, shown beside "remote rejected"
	help    string // what is so, and the command that would be right
	unknown bool   // it may have happened all the same
}

func refuse(why, format string, args ...any) *refusal {
	return &refusal{why: why, help: fmt.Sprintf(format, args...)}
}

func (r *refusal) Error() string { return r.why }

// judge says what can be said about a push before its pack is read. refs are
// the store's, lost those that the client was not told of.
func judge(q *request, refs, lost map[string]string) (Push, error) {
	for _, c := range q.commands {
		if strings.HasPrefix(c.ref, "refs/tags/") {
			return Push{}, refuse("no tags", "The cluster keeps branches only; tags stay where you review.\n"+
				"Push the branch: git push swarm HEAD:%s", main)
		}
	}
	if n := len(q.commands); n > 1 {
		return Push{}, refuse("one branch per push", "These are %d. One push moves one branch: one plan, one answer.\n"+
			"Push one of them: git push swarm HEAD:%s", n, main)
	}
	c := q.commands[0]
	if c.old == "" && c.new != "" {
		c.old = lost[c.ref]
	}
	push := Push{Ref: c.ref, Old: c.old, New: c.new, Followed: c.ref == followed, Options: q.options}
	return push, firstError(
		judgeOptions(q.options),
		judgeName(c.ref, refs),
		judgeBase(c, refs),
		judgeDeletion(c),
	)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func judgeOptions(options []string) error {
	for _, option := range options {
		if !slices.Contains(knownOptions, option) {
			return refuse("unknown push option", "There is no -o %s.\nThere are: -o %s",
				shorten(Printable(option), 40), strings.Join(knownOptions, ", -o "))
		}
	}
	return nil
}

func judgeName(ref string, refs map[string]string) error {
	if !strings.HasPrefix(ref, "refs/heads/") {
		return refuse("not a branch", "The cluster keeps branches, not %s.\nPush the branch: git push swarm HEAD:%s",
			shorten(Printable(ref), 40), main)
	}
	if _, exists := refs[ref]; exists {
		return nil
	}
	if name := branch(ref); len(name) > maxBranch || !IsBranch(name) {
		return refuse("not a name of a branch", "Git takes no branch of this name, or it is longer than %d bytes.\n"+
			"Take another name: git push swarm HEAD:NAME", maxBranch)
	}
	for other := range refs {
		if Nested(ref, other) {
			name := shorten(Printable(branch(other)), 40)
			return refuse("branch name is taken", "There is a branch %s: Git keeps no branch inside another.\n"+
				"Take another name, or delete that one: git push swarm :%s", name, name)
		}
	}
	return nil
}

// Nested reports that one of two refs is inside the other, as a file in a folder:
// Git keeps one of them only.
func Nested(a, b string) bool { return strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/") }

// maxBranch is the longest name of a branch, in bytes: each part of it is the name
// of a file.
const maxBranch = 200

// IsBranch knows git-check-ref-format's rules: a repository can have a branch of
// that name.
func IsBranch(branch string) bool {
	if strings.HasSuffix(branch, ".") || strings.Contains(branch, "..") || strings.Contains(branch, "@{") {
		return false
	}
	for part := range strings.SplitSeq(branch, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(branch, func(r rune) bool { return r <= ' ' || r == '\x7f' || strings.ContainsRune(`~^:?*[\`, r) })
}

func judgeBase(c command, refs map[string]string) error {
	switch {
	case c.old != refs[c.ref]:
		return moved(c.ref, refs[c.ref])
	case c.new == "" && c.old == "":
		return refuse("no such branch", "There is nothing to delete.")
	}
	return nil
}

func moved(ref, to string) *refusal {
	name := shorten(Printable(branch(ref)), 24)
	if to == "" {
		return refuse("branch is gone", "%s was deleted while you were pushing.\nPush again: git push swarm HEAD:%s", name, name)
	}
	return refuse("fetch first", "%s moved to %s while you were pushing.\n"+
		"Take it in, then push again: git pull --rebase swarm %s", name, Short(to), name)
}

func judgeDeletion(c command) error {
	if c.new != "" || c.ref != followed {
		return nil
	}
	return refuse("the cluster follows "+main, "%s cannot be deleted. To remove a stack, remove its files:\n"+
		"git rm -r stacks/NAME && git commit && git push swarm HEAD:%s", main, main)
}

func notForward(push Push) *refusal {
	return refuse("not a fast-forward", "%s is at %s, which %s does not contain.\n"+
		"Take it in, then push again: git pull --rebase swarm %s\n"+
		"Undo what it brought, then push that: git revert %s",
		push.Branch(), Short(push.Old), Short(push.New), push.Branch(), Short(push.Old))
}

func notBrought(push Push) *refusal {
	return refuse("a lost commit is not in it", "%s is at %s, which no manager has any more and %s does not contain.\n"+
		"Push from a clone that has %s.", push.Branch(), Short(push.Old), Short(push.New), Short(push.Old))
}

func overLimit(limit int64) *refusal {
	size := specs.Bytes(limit).String()
	return refuse("pack over "+size, "The push brings more than %s: this is for stack files, not builds.\n"+
		"Take the large file out of your new commits: git rebase -i", size)
}

// endedEarly is why a push is refused whose context has ended by then, if somebody
// said why that did.
func endedEarly(ctx context.Context, refused error) error {
	cause := context.Cause(ctx)
	if r, _ := refused.(*refusal); refused == nil || r != nil && r.unknown || cause == ctx.Err() {
		return refused
	}
	return refuse("ended early", "%s", strings.TrimSpace(Wrap(cause.Error(), "")))
}

func unknownOutcome(push Push) *refusal {
	return &refusal{why: "outcome not known", unknown: true, help: fmt.Sprintf(
		"unknown whether %s moved: git fetch. It may move yet.\nPushing again is safe.", push.Branch())}
}
