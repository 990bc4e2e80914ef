package schema

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/swarmgit/swarmgit/specs"
)

// Options say where in the tree to look.
type Options struct {
	// Path is the folder of the tree that holds the stacks; empty is its root.
	// Positions always count from the root.
	Path string
}

// Result is what a tree asks for. It shares its values with the Loader's cache
// and with later results: read only.
type Result struct {
	// Stacks are sorted by name. A stack with a mistake is left out; one with
	// partial problems only is here, without what is not built.
	Stacks []specs.Stack
	// Problems are why the tree is refused, sorted by position. Those marked
	// Partial refuse it unless the push says -o accept-partial.
	Problems []specs.Problem
	// Warnings refuse nothing but need attention: ignored keys, variables that
	// are not set.
	Warnings []specs.Problem
}

// Refusals are the problems that stand, given whether partial ones are accepted.
func (r Result) Refusals(acceptPartial bool) []specs.Problem {
	if !acceptPartial {
		return r.Problems
	}
	return slices.DeleteFunc(slices.Clone(r.Problems), func(p specs.Problem) bool { return p.Partial })
}

// Load reads a tree once. Who reads many, such as the daemon on every push, has
// a Loader.
func Load(ctx context.Context, fsys fs.FS, opt Options) Result {
	return NewLoader().Load(ctx, fsys, opt)
}

// A Loader reads trees and remembers the stacks whose files did not change.
// It is safe for concurrent use.
type Loader struct {
	mu     sync.Mutex
	cache  map[cacheKey]cached
	weight int // of what is in the cache

	maxWeight, maxCached int // smaller in tests
}

// NewLoader makes a Loader that remembers nothing yet.
func NewLoader() *Loader {
	return &Loader{cache: map[cacheKey]cached{}, maxWeight: maxWeight, maxCached: maxCached}
}

// Load reads every stack of the tree. It never fails as a whole: what cannot be
// read is a problem. When ctx ends the problem says so.
func (l *Loader) Load(ctx context.Context, fsys fs.FS, opt Options) Result {
	var all report
	tree := &files{fsys: fsys}
	check := newValidator()
	var result Result
	weight := 0
	for _, stack := range find(tree, opt.Path, check, &all) {
		notRead := ""
		switch {
		case ctx.Err() != nil:
			notRead = fmt.Sprintf("loading was cut short: %v", context.Cause(ctx))
		case weight > l.maxWeight:
			notRead = fmt.Sprintf("the stacks before this one take more than %d MiB: make fewer or smaller ones of them", l.maxWeight>>20)
		}
		if notRead != "" {
			all.problem(specs.Position{File: stack.first()}, "", "not read: "+notRead)
			break
		}
		one := l.loadStack(fsys, stack, check)
		weight += one.weight
		all.add(one.report)
		if !one.report.refused() {
			result.Stacks = append(result.Stacks, one.stack)
		}
	}
	sameNames(result.Stacks, &all)
	result.Problems, result.Warnings = all.sorted()
	return result
}

// sameNames reports services of different stacks whose full names are equal, as
// a_b + c and a + b_c are. Names differ by more than case.
func sameNames(stacks []specs.Stack, to *report) {
	slices.SortFunc(stacks, func(a, b specs.Stack) int { return cmp.Compare(a.Name, b.Name) })
	owner := map[string]specs.Stack{}
	for _, stack := range stacks {
		for _, service := range stack.Services {
			name := strings.ToLower(service.Name)
			other, taken := owner[name]
			if !taken {
				owner[name] = stack
				continue
			}
			path := "services." + strings.TrimPrefix(service.Name, stack.Name+"_")
			pos, _ := stack.Origins.Find(path)
			to.problem(pos, path, fmt.Sprintf("the name %s is taken by stack %s", service.Name, other.Name))
		}
	}
}

// cacheKey names one stack by who lists it, and by place and content of its first
// file.
type cacheKey struct{ list, name, file, hash string }

// cached is what a stack file gave, and all that it asked of the tree.
type cached struct {
	loaded
	asked map[question]string
}

// Limits on the memory that stacks may take, in bytes as loaded.weight counts.
const (
	// maxWeight bounds the stacks of one tree: a thousand of the largest seen.
	maxWeight = 1 << 30
	// maxCached bounds the remembered stacks. Beyond it the memory is emptied: the
	// next push pays about 1 ms for each of its files once.
	maxCached = 256 << 20
)

// cacheFiles is how many bytes of secrets and configs a stack may bring into the
// memory; one with more is read again each time.
const cacheFiles = 16 << 10

func fileBytes(stack specs.Stack) (sum int) {
	for _, f := range stack.Files {
		sum += len(f.Data)
	}
	return sum
}

func (l *Loader) loadStack(fsys fs.FS, stack found, check *validator) loaded {
	tree := &files{fsys: fsys, asked: map[question]string{}}
	first := stack.first()
	data, err := tree.read(first)
	if err != nil {
		var r report
		stack.files[0].problem(err, &r)
		return loaded{report: r}
	}
	if stack.list != "" {
		tree.read(stack.list) //nolint:errcheck // it has been read; what it says is asked of the tree next time
	}
	key := cacheKey{stack.list, stack.name, first, tree.asked[question{first, true}]}
	if known, ok := l.remembered(key, fsys); ok {
		return known
	}
	one := readStack(tree, stack, data, check)
	one.report.settle()
	if fileBytes(one.stack) > cacheFiles {
		return one
	}
	l.remember(key, cached{loaded: one, asked: tree.asked})
	return one
}

func (l *Loader) remember(key cacheKey, what cached) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.weight += what.weight - l.cache[key].weight; l.weight > l.maxCached {
		clear(l.cache)
		l.weight = what.weight
	}
	l.cache[key] = what
}

// remembered returns what the file gave before, if the tree answers all that was
// asked then as it did.
func (l *Loader) remembered(key cacheKey, fsys fs.FS) (loaded, bool) {
	l.mu.Lock()
	known, ok := l.cache[key]
	l.mu.Unlock()
	if !ok {
		return loaded{}, false
	}
	now := &files{fsys: fsys, asked: map[question]string{}}
	for q, before := range known.asked {
		if q.name != key.file && now.answer(q) != before {
			return loaded{}, false
		}
	}
	return known.loaded, true
}
