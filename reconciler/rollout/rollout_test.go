package rollout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/specs"
)

var (
	began = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	now   = began.Add(time.Minute)
)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// old is a task of the spec before, as it stands now.
func old(state specs.State) specs.Task {
	t := specs.Task{Spec: "old", Created: began.Add(-time.Hour), Want: specs.TaskWant{Desired: specs.StateRunning, Node: "n1"}}
	t.Seen.State = state
	if state >= specs.StateRunning {
		t.Seen.Running = began.Add(-time.Hour)
	}
	return t
}

// fresh is a task of this rollout that is on its way up.
func fresh(state specs.State) specs.Task {
	t := old(state)
	t.Spec, t.Created, t.Seen.Running = "new", began, time.Time{}
	return t
}

// up is a task of this rollout that runs since d.
func up(d time.Duration) specs.Task {
	t := fresh(specs.StateRunning)
	t.Seen.Running = ago(d)
	return t
}

// ended is a task of this rollout that ended now, after it ran for d.
func ended(state specs.State, d time.Duration) specs.Task {
	t := fresh(state)
	t.Want.Desired = specs.StateShutdown
	t.Seen.Since = now
	if d > 0 {
		t.Seen.Running = ago(d)
	}
	return t
}

// told is a task that somebody else asked to stop.
func told(t specs.Task) specs.Task {
	t.Want.Reason = "node n1 is drained"
	return t
}

// slots makes slots 1, 2, ... with the tasks of each, oldest first.
func slots(filled ...[]specs.Task) []Slot {
	var all []Slot
	for i, tasks := range filled {
		slot := Slot{ID: specs.SlotID{Number: uint64(i + 1)}}
		for _, task := range tasks {
			task.Slot, task.ServiceName = slot.ID.Number, "shop_web"
			slot.Tasks = append(slot.Tasks, &task)
			slot.Current = &task
		}
		slot.Running = slot.Current.Wanted() && slot.Current.Seen.State == specs.StateRunning
		all = append(all, slot)
	}
	return all
}

type tasks = []specs.Task

// service is under a rollout from old to new.
func service(update specs.UpdateConfig) specs.Service {
	return specs.Service{
		Spec: specs.ServiceSpec{Name: "shop_web", Task: "new", Update: update},
		Rollout: specs.Rollout{
			State: specs.RolloutUpdating, Target: "new", Completed: "old", Started: began, Progress: began,
		},
	}
}

func parallel(n uint64) specs.UpdateConfig { return specs.UpdateConfig{Parallelism: &n} }

func TestNextReplaces(t *testing.T) {
	running, dead, pending := old(specs.StateRunning), old(specs.StateFailed), fresh(specs.StateNew)
	pending.Want.Node = ""
	evicted := told(ended(specs.StateShutdown, time.Second))
	for name, test := range map[string]struct {
		update specs.UpdateConfig
		slots  []Slot
		want   []specs.SlotID
	}{
		"one at a time by default":                {specs.UpdateConfig{}, slots(tasks{running}, tasks{running}), numbers(1)},
		"as many as parallelism says":             {parallel(2), slots(tasks{running}, tasks{running}, tasks{running}), numbers(1, 2)},
		"all at once":                             {parallel(0), slots(tasks{running}, tasks{running}), numbers(1, 2)},
		"not before the one before runs":          {specs.UpdateConfig{}, slots(tasks{running, fresh(specs.StatePreparing)}, tasks{running}), nil},
		"the next when it runs, proven or not":    {specs.UpdateConfig{}, slots(tasks{up(time.Second)}, tasks{running}), numbers(2)},
		"not before the delay":                    {specs.UpdateConfig{Delay: specs.Duration(10 * time.Second)}, slots(tasks{up(9 * time.Second)}, tasks{running}), nil},
		"after the delay":                         {specs.UpdateConfig{Delay: specs.Duration(10 * time.Second)}, slots(tasks{up(10 * time.Second)}, tasks{running}), numbers(2)},
		"an added slot comes first":               {specs.UpdateConfig{}, slots(tasks{running}, tasks{fresh(specs.StateStarting)}), nil},
		"not before what follows an evicted one":  {specs.UpdateConfig{}, slots(tasks{evicted, fresh(specs.StatePreparing)}, tasks{running}), nil},
		"an added slot without a node does not":   {specs.UpdateConfig{}, slots(tasks{running}, tasks{pending}), numbers(1)},
		"a replaced slot without a node does":     {specs.UpdateConfig{}, slots(tasks{running}, tasks{running, pending}), nil},
		"a dead slot without a node does not":     {specs.UpdateConfig{}, slots(tasks{dead, pending}, tasks{running}), numbers(2)},
		"first what does not run":                 {specs.UpdateConfig{}, slots(tasks{running}, tasks{dead}), numbers(2)},
		"on after a failure, if told to continue": {specs.UpdateConfig{FailureAction: specs.FailureContinue}, slots(tasks{ended(specs.StateFailed, 0)}, tasks{running}), numbers(2)},
		"on within the ratio":                     {specs.UpdateConfig{MaxFailureRatio: specs.RatioOne / 2}, slots(tasks{ended(specs.StateFailed, 0)}, tasks{running}), numbers(2)},
	} {
		t.Run(name, func(t *testing.T) {
			next := Next(service(test.update), test.slots, began, now)
			if diff := cmp.Diff(test.want, next.Replace, equateEmpty); diff != "" || next.Rollout.State != specs.RolloutUpdating {
				t.Errorf("%s: %s", next.Rollout.State, diff)
			}
		})
	}
}

var equateEmpty = cmp.Transformer("empty", func(n []specs.SlotID) []specs.SlotID { return append([]specs.SlotID{}, n...) })

func numbers(of ...uint64) []specs.SlotID {
	var ids []specs.SlotID
	for _, number := range of {
		ids = append(ids, specs.SlotID{Number: number})
	}
	return ids
}

func TestSlotsOfNodesAreReplacedInTheOrderOfTheNodes(t *testing.T) {
	all := slots(tasks{old(specs.StateRunning)}, tasks{old(specs.StateRunning)}, tasks{old(specs.StateRunning)})
	for i, node := range []string{"n3", "n1", "n2"} {
		all[i].ID = specs.SlotID{Node: node}
	}
	if diff := cmp.Diff([]specs.SlotID{{Node: "n1"}, {Node: "n2"}}, Next(service(parallel(2)), all, began, now).Replace); diff != "" {
		t.Error(diff)
	}
}

func TestAgainBeginsACompletedRolloutOnceMore(t *testing.T) {
	done := specs.Rollout{State: specs.RolloutCompleted, Target: "new", Completed: "new", Started: began, Progress: began, Ended: began}
	want := specs.Rollout{State: specs.RolloutUpdating, Target: "new", Completed: "new", Started: now, Progress: now}
	if diff := cmp.Diff(want, Again(done, now)); diff != "" {
		t.Error(diff)
	}
}

func TestNextEnds(t *testing.T) {
	evicted := told(ended(specs.StateFailed, time.Second))
	stopping := told(up(time.Minute))
	stopping.Want.Desired, stopping.Want.Since = specs.StateShutdown, ago(56*time.Second)
	lost := ended(specs.StateOrphaned, time.Second)
	before := up(time.Second)
	before.Created, before.Seen.Running = began.Add(-time.Hour), ago(time.Second)
	rests := func(svc *specs.Service) { svc.Spec.Restart.Condition = specs.RestartOnFailure }
	for name, test := range map[string]struct {
		update specs.UpdateConfig
		slots  []Slot
		change func(*specs.Service)
		want   specs.RolloutState
		why    string
	}{
		"no slots":                         {want: specs.RolloutCompleted},
		"all run for the monitor time":     {slots: slots(tasks{up(5 * time.Second)}, tasks{up(time.Minute)}), want: specs.RolloutCompleted},
		"one does not yet":                 {slots: slots(tasks{up(5 * time.Second)}, tasks{up(4 * time.Second)}), want: specs.RolloutUpdating},
		"a longer monitor time":            {update: specs.UpdateConfig{Monitor: new(specs.Duration(time.Minute))}, slots: slots(tasks{up(59 * time.Second)}), want: specs.RolloutUpdating},
		"a task from before has no proof":  {slots: slots(tasks{before}), want: specs.RolloutCompleted},
		"rejected":                         {slots: slots(tasks{ended(specs.StateRejected, 0)}), want: specs.RolloutPaused, why: "shop_web.1 rejected: no such image"},
		"failed at once":                   {slots: slots(tasks{ended(specs.StateFailed, 0)}), want: specs.RolloutPaused, why: "shop_web.1 failed: no such image"},
		"failed in the monitor time":       {slots: slots(tasks{ended(specs.StateFailed, 5*time.Second)}), want: specs.RolloutPaused, why: "shop_web.1 failed: no such image"},
		"failed after it":                  {slots: slots(tasks{ended(specs.StateFailed, 6*time.Second)}), want: specs.RolloutCompleted},
		"failed, and its successor runs":   {slots: slots(tasks{ended(specs.StateFailed, 0), up(time.Second)}), want: specs.RolloutPaused, why: "shop_web.1 failed: no such image"},
		"completed though it shall run":    {slots: slots(tasks{ended(specs.StateComplete, time.Second)}), want: specs.RolloutPaused, why: "shop_web.1 complete: no such image"},
		"completed as it shall":            {change: rests, slots: slots(tasks{ended(specs.StateComplete, time.Second)}), want: specs.RolloutCompleted},
		"evicted is no failure":            {slots: slots(tasks{evicted, fresh(specs.StateNew)}), want: specs.RolloutUpdating},
		"evicted, and its successor runs":  {slots: slots(tasks{evicted, up(time.Second)}), want: specs.RolloutUpdating},
		"told to stop before it had proof": {slots: slots(tasks{stopping, fresh(specs.StateReady)}), want: specs.RolloutUpdating},
		"evicted, its successor is proven": {slots: slots(tasks{evicted, up(5 * time.Second)}), want: specs.RolloutCompleted},
		"lost is no failure":               {slots: slots(tasks{lost, fresh(specs.StateNew)}), want: specs.RolloutUpdating},
		"a failure of the old spec is not ours": {
			slots: slots(tasks{old(specs.StateFailed), up(time.Minute)}), want: specs.RolloutCompleted,
		},
		"the ratio is not exceeded": {
			update: specs.UpdateConfig{MaxFailureRatio: 400_000},
			slots:  slots(tasks{ended(specs.StateFailed, 0)}, tasks{up(time.Minute)}, tasks{up(time.Minute)}), want: specs.RolloutCompleted,
		},
		"the ratio is exceeded": {
			update: specs.UpdateConfig{MaxFailureRatio: 400_000},
			slots:  slots(tasks{ended(specs.StateFailed, 0)}, tasks{ended(specs.StateFailed, 0)}, tasks{up(time.Minute)}, tasks{up(time.Minute)}),
			want:   specs.RolloutPaused, why: "shop_web.1 failed: no such image",
		},
		"a slot that fails again counts once": {
			update: specs.UpdateConfig{MaxFailureRatio: 400_000},
			slots:  slots(tasks{ended(specs.StateFailed, 0), ended(specs.StateFailed, 0)}, tasks{up(time.Minute)}, tasks{up(time.Minute)}),
			want:   specs.RolloutCompleted,
		},
		"rollback is not built and pauses": {
			update: specs.UpdateConfig{FailureAction: specs.FailureRollback},
			slots:  slots(tasks{ended(specs.StateFailed, 0)}), want: specs.RolloutPaused, why: "shop_web.1 failed: no such image",
		},
	} {
		t.Run(name, func(t *testing.T) {
			svc := service(test.update)
			if test.change != nil {
				test.change(&svc)
			}
			for _, slot := range test.slots {
				for _, task := range slot.Tasks {
					task.Seen.Err = "no such image"
				}
			}
			next := Next(svc, test.slots, began, now)
			if next.Rollout.State != test.want || next.Rollout.Message != test.why {
				t.Errorf("%s: %q, want %s: %q", next.Rollout.State, next.Rollout.Message, test.want, test.why)
			}
			if over := next.Rollout.State != specs.RolloutUpdating; over != (next.Rollout.Ended == now) || over && next.Wake != (time.Time{}) {
				t.Errorf("ended %s, wakes at %s", next.Rollout.Ended, next.Wake)
			}
		})
	}
}

func TestNextWakes(t *testing.T) {
	running := old(specs.StateRunning)
	evicted := told(ended(specs.StateShutdown, 50*time.Second))
	evicted.Seen.Running, evicted.Seen.Since = ago(50*time.Second), ago(49*time.Second)
	for name, test := range map[string]struct {
		update specs.UpdateConfig
		slots  []Slot
		want   time.Duration // from now
	}{
		"when a task is proven":              {slots: slots(tasks{up(2 * time.Second)}), want: 3 * time.Second},
		"when the last task is proven":       {update: parallel(0), slots: slots(tasks{up(4 * time.Second)}, tasks{up(2 * time.Second)}, tasks{up(time.Minute)}), want: 3 * time.Second},
		"when the delay is over":             {update: specs.UpdateConfig{Delay: specs.Duration(4 * time.Second)}, slots: slots(tasks{up(3 * time.Second)}, tasks{running}), want: time.Second},
		"when patience is over":              {slots: slots(tasks{fresh(specs.StatePreparing)}), want: Patience - time.Minute},
		"of the successor of an evicted one": {slots: slots(tasks{evicted, up(2 * time.Second)}), want: 3 * time.Second},
		"not for an evicted one without":     {slots: slots(tasks{evicted}), want: Patience - 45*time.Second},
		"patience from this step":            {slots: slots(tasks{running}), want: Patience},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Next(service(test.update), test.slots, began, now).Wake.Sub(now); got != test.want {
				t.Errorf("wakes after %s, want %s", got, test.want)
			}
		})
	}
}

func TestAPausedRolloutIsOverWhenItsCauseIsGone(t *testing.T) {
	pending := fresh(specs.StateNew)
	pending.Want.Node = ""
	for name, test := range map[string]struct {
		slots []Slot
		want  specs.RolloutState
		wake  time.Duration
	}{
		"every slot is proven":       {slots: slots(tasks{up(time.Minute)}, tasks{up(5 * time.Second)}), want: specs.RolloutCompleted},
		"one is not yet":             {slots: slots(tasks{up(time.Minute)}, tasks{up(time.Second)}), want: specs.RolloutPaused, wake: 4 * time.Second},
		"one has no node yet":        {slots: slots(tasks{up(time.Minute)}, tasks{pending}), want: specs.RolloutPaused},
		"one keeps its old task":     {slots: slots(tasks{up(time.Minute)}, tasks{old(specs.StateRunning)}), want: specs.RolloutPaused},
		"one failed and runs now":    {slots: slots(tasks{ended(specs.StateFailed, 0), up(time.Minute)}), want: specs.RolloutCompleted},
		"one failed and just runs":   {slots: slots(tasks{ended(specs.StateFailed, 0), up(time.Second)}), want: specs.RolloutPaused, wake: 4 * time.Second},
		"no slot, so nothing proven": {want: specs.RolloutPaused},
	} {
		t.Run(name, func(t *testing.T) {
			svc := service(specs.UpdateConfig{})
			svc.Rollout.State, svc.Rollout.Message, svc.Rollout.Under = specs.RolloutPaused, "why", &svc.Spec
			next := Next(svc, test.slots, began, now)
			if next.Rollout.State != test.want || len(next.Replace) > 0 {
				t.Errorf("%s, replaces %v", next.Rollout.State, next.Replace)
			}
			if over := test.want == specs.RolloutCompleted; over != (next.Rollout.Message == "" && next.Rollout.Under == nil) {
				t.Errorf("remembers %q under %v", next.Rollout.Message, next.Rollout.Under)
			}
			if test.wake > 0 && next.Wake.Sub(now) != test.wake || test.wake == 0 && !next.Wake.IsZero() {
				t.Errorf("wakes at %s", next.Wake)
			}
		})
	}
}

func TestNextLosesPatience(t *testing.T) {
	pending := fresh(specs.StateNew)
	pending.Want = specs.TaskWant{Desired: specs.StateRunning, Reason: "no suitable node"}
	svc := service(specs.UpdateConfig{})
	if got := Next(svc, slots(tasks{pending}), began, began.Add(Patience-1)).Rollout.State; got != specs.RolloutUpdating {
		t.Errorf("a nanosecond early it is %s", got)
	}
	r := Next(svc, slots(tasks{pending}), began, began.Add(Patience)).Rollout
	if want := "no progress for 10 minutes: shop_web.1 pending: no suitable node"; r.State != specs.RolloutPaused || r.Message != want {
		t.Errorf("%s: %q, want paused: %q", r.State, r.Message, want)
	}
}

func TestBegin(t *testing.T) {
	paused := service(specs.UpdateConfig{})
	paused.Rollout.State, paused.Rollout.Under = specs.RolloutPaused, &specs.ServiceSpec{Name: "shop_web", Task: "new"}
	anew := specs.Rollout{State: specs.RolloutUpdating, Target: "new", Completed: "old", Started: now, Progress: now}
	change := func(change func(*specs.Service)) specs.Service {
		svc := paused
		change(&svc)
		return svc
	}
	for name, test := range map[string]struct {
		svc  specs.Service
		want specs.Rollout
	}{
		"a new service": {
			specs.Service{Spec: specs.ServiceSpec{Task: "new"}},
			specs.Rollout{State: specs.RolloutUpdating, Target: "new", Started: now, Progress: now},
		},
		"nothing changed":          {service(specs.UpdateConfig{}), service(specs.UpdateConfig{}).Rollout},
		"paused stays paused":      {paused, paused.Rollout},
		"paused, another task":     {change(func(s *specs.Service) { s.Rollout.Target = "bad" }), anew},
		"paused, other update":     {change(func(s *specs.Service) { s.Spec.Update.FailureAction = specs.FailureContinue }), anew},
		"paused, other constraint": {change(func(s *specs.Service) { s.Spec.Placement.Constraints = []string{"node.role == worker"} }), anew},
		"paused, other size":       {change(func(s *specs.Service) { s.Spec.Replicas = new(uint64(7)) }), paused.Rollout},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Begin(test.svc, now)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSpecOfNewSlot(t *testing.T) {
	for name, test := range map[string]struct {
		rollout specs.Rollout
		want    specs.Hash
	}{
		"updating":          {specs.Rollout{State: specs.RolloutUpdating, Target: "new", Completed: "old"}, "new"},
		"completed":         {specs.Rollout{State: specs.RolloutCompleted, Target: "new", Completed: "new"}, "new"},
		"paused":            {specs.Rollout{State: specs.RolloutPaused, Target: "new", Completed: "old"}, "old"},
		"the first, paused": {specs.Rollout{State: specs.RolloutPaused, Target: "new"}, "new"},
	} {
		if got := SpecOfNewSlot(test.rollout); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
