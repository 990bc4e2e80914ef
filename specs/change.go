package specs

// Change is one row of a transaction: a patch of one writer's group of fields.
// Exactly one field is set.
//
// Who writes which group is the table in reconciler/store's package comment. A
// second writer of a group is a change of the design.
type Change struct {
	TaskSpec *TaskSpec `json:"task_spec,omitempty"` // stored under its hash until nothing refers to it

	Payload  *Payload         `json:"payload,omitempty"` // likewise, under its version
	External *Patch[External] `json:"external,omitempty"`

	Cluster   *Cluster         `json:"cluster,omitempty"`
	Authority *Authority       `json:"authority,omitempty"`
	Source    *Patch[Source]   `json:"source,omitempty"`
	Ref       *Patch[Ref]      `json:"ref,omitempty"`
	Stack     *Patch[StackRow] `json:"stack,omitempty"`

	Review *Patch[Review] `json:"review,omitempty"`

	Revision         *Patch[Revision]         `json:"revision,omitempty"` // creates or prunes
	RevisionProgress *Patch[RevisionProgress] `json:"revision_progress,omitempty"`

	Service *Patch[Service]     `json:"service,omitempty"` // creates (Spec and Created only) or forgets
	Spec    *Patch[ServiceWant] `json:"spec,omitempty"`
	Rollout *Patch[Rollout]     `json:"rollout,omitempty"`

	Task     *Patch[Task]     `json:"task,omitempty"` // creates or forgets
	TaskWant *Patch[TaskWant] `json:"task_want,omitempty"`
	TaskSeen *Patch[TaskSeen] `json:"task_seen,omitempty"`

	Node     *Patch[Node]     `json:"node,omitempty"` // creates or forgets
	NodeSpec *Patch[NodeSpec] `json:"node_spec,omitempty"`
	NodeSeen *Patch[NodeSeen] `json:"node_seen,omitempty"`
}

// ServiceWant is the planner's group of a service.
type ServiceWant struct {
	Spec    ServiceSpec `json:"spec"`
	Removed bool        `json:"removed,omitempty"`
}

// Patch replaces one group of fields of the row ID. Base is the version of the
// group that the writer looked at: if another write came between, the whole
// transaction is refused as a conflict. Base 0 creates a row that must not
// exist. A nil Value removes the row.
type Patch[T any] struct {
	ID    string `json:"id"`
	Base  uint64 `json:"base,omitempty"`
	Value *T     `json:"value,omitempty"`
}

// Transaction is applied wholly or not at all. It holds what belongs together,
// usually the changes of one service, so that a conflict refuses no more.
type Transaction []Change

// Insert makes a patch that creates the row.
func Insert[T any](id string, value T) *Patch[T] { return &Patch[T]{ID: id, Value: &value} }

// Set makes a patch that replaces the group as it was at version base.
func Set[T any](id string, base uint64, value T) *Patch[T] {
	return &Patch[T]{ID: id, Base: base, Value: &value}
}

// Remove makes a patch that removes the row as it was at version base.
func Remove[T any](id string, base uint64) *Patch[T] { return &Patch[T]{ID: id, Base: base} }
