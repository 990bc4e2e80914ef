package planner

// Make is the plan alone.
func Make(in Input) Plan {
	plan, _ := Propose(in)
	return plan
}
