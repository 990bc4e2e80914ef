package git

import (
	"fmt"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// refusal is a push that cannot be, in words.
type refusal struct {
	why  string // a few words, shown beside "remote rejected"
	help string // what is so, and the command that would be right
}

func (r *refusal) Error() string { return r.why }

// judge says what can be said about a push before its pack is read. refs are
// the store's, followed is the ref that the cluster follows.
func judge(q *request, refs map[string]string, followed string) (Push, error) {
	main := branch(followed)
	for _, c := range q.commands {
		if strings.HasPrefix(c.ref, "refs/tags/") {
			return Push{}, &refusal{"no tags", "The cluster keeps branches only; tags stay where you review.\n" +
				"Push the branch: git push swarm HEAD:" + main}
		}
	}
	if n := len(q.commands); n > 1 {
		return Push{}, &refusal{fmt.Sprintf("%d refs in one push", n), "One push moves one branch, so that it has one plan and one answer.\n" +
			"Push one of them: git push swarm HEAD:" + main}
	}
	c := q.commands[0]
	push := Push{Ref: c.ref, Old: c.old, New: c.new, Followed: c.ref == followed, Options: q.options}
	return push, firstError(
		judgeOptions(q.options),
		judgeName(c.ref, refs, main),
		judgeBase(c, refs),
		judgeDeletion(c, followed),
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
			return &refusal{"unknown push option", fmt.Sprintf("There is no push option %q.\nThere are: -o %s",
				shorten(printable(option), 40), strings.Join(knownOptions, ", -o "))}
		}
	}
	return nil
}

func judgeName(ref string, refs map[string]string, main string) error {
	if !strings.HasPrefix(ref, "refs/heads/") {
		return &refusal{"not a branch", fmt.Sprintf("The cluster keeps branches only, not %s.\nPush the branch: git push swarm HEAD:%s",
			shorten(printable(ref), 48), main)}
	}
	if _, exists := refs[ref]; exists {
		return nil
	}
	for other := range refs {
		if strings.HasPrefix(other, ref+"/") || strings.HasPrefix(ref, other+"/") {
			return &refusal{"name taken", fmt.Sprintf("There is a branch %s, and Git cannot keep one inside the other.\n"+
				"Take another name: git push swarm HEAD:%s-2", branch(other), branch(other))}
		}
	}
	return nil
}

func judgeBase(c command, refs map[string]string) error {
	if c.old == refs[c.ref] {
		return nil
	}
	return moved(c.ref, refs[c.ref])
}

func moved(ref, to string) *refusal {
	if to == "" {
		return &refusal{"branch is gone", fmt.Sprintf("%s was deleted while you were pushing.\nPush again: git push swarm HEAD:%s",
			branch(ref), branch(ref))}
	}
	return &refusal{"fetch first", fmt.Sprintf("%s moved to %s while you were pushing.\nTake it in, then push again: git pull --rebase && git push",
		branch(ref), Short(to))}
}

func judgeDeletion(c command, followed string) error {
	if c.new != "" || c.ref != followed {
		return nil
	}
	return &refusal{"the followed branch", fmt.Sprintf("The cluster follows %s, so it cannot be deleted.\n"+
		"Remove stacks instead: git rm -r stacks/NAME && git commit && git push", branch(followed))}
}

func notForward(push Push) *refusal {
	return &refusal{"not a fast-forward", fmt.Sprintf("%s is at %s, which %s does not contain.\n"+
		"Take it in, then push again: git pull --rebase && git push\n"+
		"Go back to an older state: git revert %s..%s && git push",
		push.Branch(), Short(push.Old), Short(push.New), "OLDER", push.Branch())}
}

func tooLarge(limit int64) *refusal {
	return &refusal{"pack over " + specs.Bytes(limit).String(), "The push has more than " + specs.Bytes(limit).String() + " of new objects: the cluster keeps stack\n" +
		"files, not builds. Take the large file out of your new commits:\n" +
		"git rebase -i, or git filter-repo --strip-blobs-bigger-than 1M"}
}
