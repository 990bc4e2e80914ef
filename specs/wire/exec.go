package wire

// Exec joins a command that runs on the node with the person who wants it: the
// agent calls, and sends what the command writes.
const Exec = Duplex[ExecOutput, ExecInput]("/swarmgit.node/Exec")

// ExecRequest wants one command. Who asked waits for it only so long.
type ExecRequest struct {
	ID      string      `json:"id"`
	TaskID  string      `json:"task_id"`
	Command ExecCommand `json:"command"`
}

// ExecCommand is what runs in a task.
type ExecCommand struct {
	Args       []string `json:"args"`
	Env        []string `json:"env,omitempty"` // K=V, over the task's own
	User       string   `json:"user,omitempty"`
	WorkingDir string   `json:"working_dir,omitempty"`
	TTY        bool     `json:"tty,omitempty"`
	Stdin      bool     `json:"stdin,omitempty"` // input comes; else the command has none
	Size       Size     `json:"size,omitzero"`   // of the terminal at first
}

// Size is a terminal's, in characters.
type Size struct {
	Width  uint16 `json:"width"`
	Height uint16 `json:"height"`
}

// ExecInput is what comes to a command.
type ExecInput struct {
	Stdin  []byte `json:"stdin,omitempty"`
	EOF    bool   `json:"eof,omitempty"` // Stdin has ended
	Resize *Size  `json:"resize,omitempty"`
}

// ExecOutput is what comes from a command. The first of an agent names the
// request and says how much input it takes; the last has the exit code, or why
// the command could not be run.
type ExecOutput struct {
	SessionID string `json:"session_id,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Stdout    []byte `json:"stdout,omitempty"`
	Stderr    []byte `json:"stderr,omitempty"`
	Room      int    `json:"room,omitempty"` // for so many more bytes of input; without it in the first, for any
	Code      *int   `json:"code,omitempty"`
	Err       string `json:"err,omitempty"`
}

// Last reports that nothing comes after it.
func (o ExecOutput) Last() bool { return o.Code != nil || o.Err != "" }
