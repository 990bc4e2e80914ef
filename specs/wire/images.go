package wire

import "github.com/swarmgit/swarmgit/specs"

// What a node asks of a manager about the images of its tasks.
const (
	// RegistryLogin is what opens the registry of a task's image; the zero Login
	// if the cluster keeps none for it.
	RegistryLogin = Unary[RegistryLoginRequest, specs.Login]("/swarmgit.node/RegistryLogin")
	// NeededImages are the images that the node that calls must not remove.
	NeededImages = Unary[NeededImagesRequest, NeededImagesReply]("/swarmgit.node/NeededImages")
)

// RegistryLoginRequest names a task that is to run on the node. Any other is
// PermissionDenied.
type RegistryLoginRequest struct {
	SessionID string `json:"session_id"`
	TaskID    string `json:"task_id"`
}

// NeededImagesRequest asks for the images of the node of a session.
type NeededImagesRequest struct {
	SessionID string `json:"session_id"`
}

// NeededImagesReply names the images of the node's tasks, also of those that have
// ended and are remembered, and those to which their services are going or would
// go back.
type NeededImagesReply struct {
	Images []string `json:"images,omitempty"`
}
