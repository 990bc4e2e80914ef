package schema

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/swarmgit/swarmgit/specs"
)

// Limits on what is said. Nobody reads the rest, and revisions are stored.
const (
	maxKept = 1000 // problems collected of one file
	maxTold = 100  // problems of one file that the user sees
)

// report collects what is said of files.
type report struct {
	problems []specs.Problem
	warnings []specs.Problem
}

func (r *report) problem(pos specs.Position, path, message string) {
	r.keep(specs.Problem{Position: pos, Path: path, Message: message})
}

func (r *report) partial(pos specs.Position, path, message string) {
	r.keep(specs.Problem{Position: pos, Path: path, Message: message, Partial: true})
}

func (r *report) warn(pos specs.Position, path, message string) {
	if !r.warned() {
		r.warnings = append(r.warnings, specs.Problem{Position: pos, Path: path, Message: message})
	}
}

// keep drops what is beyond maxKept, but a problem that refuses always stays.
func (r *report) keep(p specs.Problem) {
	if !r.full() || !p.Partial && !r.refused() {
		r.problems = append(r.problems, p)
	}
}

func (r *report) full() bool { return len(r.problems) >= maxKept }

// warned reports that no warning will be kept any more.
func (r *report) warned() bool { return len(r.warnings) >= maxKept }

// add takes what was said of one more file, which stays as it is.
func (r *report) add(other report) {
	r.problems = append(r.problems, other.problems...)
	r.warnings = append(r.warnings, other.warnings...)
}

// settle brings the report of one file into the form in which it is shared.
func (r *report) settle() {
	r.problems, r.warnings = r.sorted()
	r.problems, r.warnings = told(r.problems), told(r.warnings)
}

// told cuts what was said of one file to what the user sees. Of problems, those
// that are not partial go first, so that none hides behind the others.
func told(said []specs.Problem) []specs.Problem {
	if len(said) <= maxTold {
		return said
	}
	slices.SortStableFunc(said, func(a, b specs.Problem) int {
		switch {
		case a.Partial == b.Partial:
			return 0
		case b.Partial:
			return -1
		}
		return 1
	})
	rest := specs.Problem{
		Position: said[maxTold].Position,
		Message:  fmt.Sprintf("and %d more in this file", len(said)-maxTold),
		Partial:  said[maxTold].Partial,
	}
	return append(slices.Clip(said[:maxTold]), rest)
}

func (r *report) refused() bool {
	return slices.ContainsFunc(r.problems, func(p specs.Problem) bool { return !p.Partial })
}

// sorted returns the problems and warnings by position, each mistake once: what
// stands behind an anchor is one mistake however often it is used.
func (r *report) sorted() (problems, warnings []specs.Problem) {
	return once(r.problems), once(r.warnings)
}

func once(said []specs.Problem) []specs.Problem {
	slices.SortStableFunc(said, func(a, b specs.Problem) int {
		return cmp.Or(a.Position.Compare(b.Position), cmp.Compare(a.Path, b.Path))
	})
	type mistake struct {
		specs.Position
		message string
	}
	seen := map[mistake]bool{}
	return slices.DeleteFunc(said, func(p specs.Problem) bool {
		m := mistake{p.Position, p.Message}
		known := seen[m]
		seen[m] = true
		return known
	})
}
