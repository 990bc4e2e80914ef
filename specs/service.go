package specs

import (
	"strings"
	"time"
)

// Mode says how many tasks a service has.
type Mode string

// The modes of a service, in Swarm's words. The empty Mode is replicated.
const (
	Replicated    Mode = "replicated"
	Global        Mode = "global"
	ReplicatedJob Mode = "replicated-job"
	GlobalJob     Mode = "global-job"
)

// ServiceSpec is what a stack file asks of one service: the rules for its
// tasks, and by hash what each task is. A change of the rules alone restarts
// nothing; a change of Task replaces every task. That comparison is the whole
// of swarmgit's dirtiness.
type ServiceSpec struct {
	Name     string            `json:"name"`  // shop_web, unique in the cluster whatever the case
	Stack    string            `json:"stack"` // shop
	Labels   map[string]string `json:"labels,omitempty"`
	Image    string            `json:"image,omitempty"` // as the stack file says; the task's has the digest that was found for it
	Mode     Mode              `json:"mode,omitempty"`
	Replicas *uint64           `json:"replicas,omitempty"` // nil is 1
	Task     Hash              `json:"task"`

	RequireDigest bool `json:"require_digest,omitempty"` // refuse an image that goes by its tag

	Placement Placement     `json:"placement,omitzero"`
	Restart   RestartPolicy `json:"restart,omitzero"`
	Update    UpdateConfig  `json:"update,omitzero"`
	Rollback  UpdateConfig  `json:"rollback,omitzero"`
}

// ShortName is the service's name in its stack file.
func (s ServiceSpec) ShortName() string { return strings.TrimPrefix(s.Name, s.Stack+"_") }

// WantedReplicas is Replicas with its default of 1. In a global service it means
// nothing: there the nodes are counted, see converge.Wanted.
func (s ServiceSpec) WantedReplicas() uint64 {
	if s.Replicas == nil {
		return 1
	}
	return *s.Replicas
}

// Placement says on which nodes tasks may be, and how they spread.
type Placement struct {
	Constraints []string `json:"constraints,omitempty"` // "node.labels.zone == b", all must hold
	Preferences []string `json:"preferences,omitempty"` // "node.labels.zone": spread over its values, outermost first
	MaxReplicas uint64   `json:"max_replicas,omitempty"`
}

// RestartCondition says which ends of a task are followed by a new task.
type RestartCondition string

// The restart conditions. The empty one is RestartAny.
const (
	RestartAny       RestartCondition = "any"
	RestartOnFailure RestartCondition = "on-failure"
	RestartNone      RestartCondition = "none"
)

// RestartPolicy says whether and when a dead task's slot is filled again.
type RestartPolicy struct {
	Condition   RestartCondition `json:"condition,omitempty"`
	Delay       *Duration        `json:"delay,omitempty"`        // nil is DefaultRestartDelay
	MaxAttempts uint64           `json:"max_attempts,omitempty"` // per slot and task spec; 0 is unlimited
	Window      Duration         `json:"window,omitempty"`       // attempts are counted within it; 0 is for ever
}

// FailureAction says what a rollout does when too many new tasks fail.
type FailureAction string

// The failure actions. The empty one is FailurePause.
const (
	FailurePause    FailureAction = "pause"
	FailureContinue FailureAction = "continue"
	FailureRollback FailureAction = "rollback"
)

// Order says which comes first when a task is replaced.
type Order string

// The orders of replacement. The empty one is StopFirst.
const (
	StopFirst  Order = "stop-first"
	StartFirst Order = "start-first"
)

// UpdateConfig is how a rollout, or a rollback, replaces tasks.
type UpdateConfig struct {
	Parallelism     *uint64       `json:"parallelism,omitempty"` // slots at a time; nil is 1, 0 is all
	Delay           Duration      `json:"delay,omitempty"`       // between one slot of a worker and its next
	FailureAction   FailureAction `json:"failure_action,omitempty"`
	Monitor         *Duration     `json:"monitor,omitempty"`           // a failure within it after RUNNING counts; nil is DefaultMonitor
	MaxFailureRatio Ratio         `json:"max_failure_ratio,omitempty"` // of the slots that are replaced
	Order           Order         `json:"order,omitempty"`
}

// Ratio is a fraction in millionths, so that hashes see integers only.
type Ratio int64

// RatioOne is the whole.
const RatioOne Ratio = 1_000_000

// Defaults that apply where a spec is silent. They are applied at use and never
// stored, so that a new default changes no hash.
const (
	DefaultRestartDelay = 5 * time.Second
	DefaultMonitor      = 5 * time.Second
	DefaultStopGrace    = 10 * time.Second
	DefaultHistory      = 5 // ended tasks kept for each slot
	DefaultHeartbeat    = 5 * time.Second
)

// RolloutState is where a service is on its way to its target spec.
type RolloutState string

// The states of a rollout, in Swarm's words. The empty state is a service that
// has no tasks yet; its first tasks are a rollout too.
const (
	RolloutUpdating          RolloutState = "updating"
	RolloutCompleted         RolloutState = "completed"
	RolloutPaused            RolloutState = "paused"
	RolloutRollbackStarted   RolloutState = "rollback_started"
	RolloutRollbackCompleted RolloutState = "rollback_completed"
	RolloutRollbackPaused    RolloutState = "rollback_paused"
)

// Rollout is what converge remembers of a service's way to its spec.
type Rollout struct {
	State     RolloutState `json:"state,omitempty"`
	Target    Hash         `json:"target,omitempty"`    // the task spec that is being rolled out
	Completed Hash         `json:"completed,omitempty"` // the last one that was rolled out wholly
	Started   time.Time    `json:"started,omitzero"`
	Progress  time.Time    `json:"progress,omitzero"` // when a slot last got further
	Ended     time.Time    `json:"ended,omitzero"`
	Message   string       `json:"message,omitempty"` // why it paused, in words

	// Under is the spec that a paused rollout paused under. Another spec resumes
	// it, unless only the number of replicas or the labels differ.
	Under *ServiceSpec `json:"under,omitempty"`
}

// Service is one service in the cluster's memory.
type Service struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`

	// Spec is written by the planner. A removed service keeps its row until
	// its last task is gone.
	Spec        ServiceSpec `json:"spec"`
	Removed     bool        `json:"removed,omitempty"`
	SpecVersion uint64      `json:"spec_version"`

	// Rollout is written by converge.
	Rollout        Rollout `json:"rollout,omitzero"`
	RolloutVersion uint64  `json:"rollout_version,omitempty"`
}

// TaskSpecs are what the service's tasks are to be, are becoming, and were when a
// rollout last completed; empty ones among them are not known yet.
func (s *Service) TaskSpecs() []Hash {
	return []Hash{s.Spec.Task, s.Rollout.Target, s.Rollout.Completed}
}
