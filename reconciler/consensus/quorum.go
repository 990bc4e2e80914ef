package consensus

import (
	"fmt"
	"strings"
)

// quorum is how many of some voters must agree.
func quorum(voters int) int { return voters/2 + 1 }

// MayRemove refuses, with the arithmetic in words, to take the member's vote
// when the others could not agree on anything without it. Taking away what is
// not a voter is always right. It changes nothing.
func MayRemove(members []Member, reachable func(id string) bool, id string) error {
	voters, left := 0, 0
	votes := false
	var silent []string
	for _, m := range members {
		if !m.Voter {
			continue
		}
		voters++
		switch {
		case m.ID == id:
			votes = true
		case reachable(m.ID):
			left++
		default:
			silent = append(silent, m.ID)
		}
	}
	switch need := quorum(voters - 1); {
	case !votes:
		return nil
	case voters == 1:
		return fmt.Errorf("refused: %s is the only manager: make another node a manager first", id)
	case left < need:
		return fmt.Errorf("refused: %d managers, %d reachable after the removal, %d needed: bring back %s first",
			voters, left, need, strings.Join(silent, ", "))
	}
	return nil
}
