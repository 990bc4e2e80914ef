package planner

import (
	"encoding/json"
	"fmt"
)

// shares is in how many steps Keep leaves things out.
const shares = 8

// Keep is the plan's JSON form in at most limit bytes, to be kept. Of one that is
// too large it leaves out where tasks go, then the ends of its lists, and LeftOut
// says how much; verdict and totals stay.
func (p Plan) Keep(limit int) []byte {
	data := p.encode()
	for share := shares; len(data) > limit && share >= 0; share-- {
		data = p.part(share).encode()
	}
	return data
}

// part is the plan without placements, and with so many eighths of its lists.
func (p Plan) part(share int) Plan {
	p.Changed = begin(p.Changed, share, &p.LeftOut)
	p.Services = begin(p.Services, share, &p.LeftOut)
	p.Moved = begin(p.Moved, share, &p.LeftOut)
	p.Paused = begin(p.Paused, share, &p.LeftOut)
	p.Refusals = begin(p.Refusals, share, &p.LeftOut)
	p.Warnings = begin(p.Warnings, share, &p.LeftOut)
	for _, entries := range [][]Entry{p.Services, p.Moved} {
		for i := range entries {
			entries[i].Expected = nil
		}
	}
	return p
}

// begin is a copy of the beginning of a list; what is left out is counted.
func begin[T any](list []T, share int, leftOut *int) []T {
	kept := len(list) * share / shares
	*leftOut += len(list) - kept
	return append([]T(nil), list[:kept]...)
}

func (p Plan) encode() []byte {
	data, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("encode a plan: %v", err)) // plain values always encode
	}
	return data
}

// rest says what of the plan is not shown, "" when all is.
func (p Plan) rest() string {
	switch {
	case p.LeftOut > 0:
		return fmt.Sprintf("%d more entries of this plan were not kept.", p.LeftOut)
	case p.Beyond > 0:
		return fmt.Sprintf("Then %d more in the same way.", p.Beyond)
	}
	return ""
}
