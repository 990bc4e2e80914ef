package wire

// Procedures between managers, about the objects of the cluster's own remote.
const (
	// StorePack brings what a commit needs. The first part names the commit and
	// what the pack builds on; the others are the pack. It may be answered before
	// the pack has come.
	StorePack = ClientStream[PackPart, StorePackReply]("/swarmgit.manager/StorePack")
	// FetchPack asks for what a commit needs. A manager that lacks the commit
	// says NotFound.
	FetchPack = ServerStream[FetchPackRequest, PackPart]("/swarmgit.manager/FetchPack")
)

// PackPartBytes is how much of a pack one part carries at most: little enough
// that a heartbeat on the same connection does not wait for it.
const PackPartBytes = 256 << 10

// PackPart is a piece of a Git pack, or what stands before it.
type PackPart struct {
	Commit string   `json:"commit,omitempty"` // 40 hex digits; in the first part only
	Have   []string `json:"have,omitempty"`   // commits that the pack builds on
	Data   []byte   `json:"data,omitempty"`
}

// StorePackReply says that the commit and all that it needs are on the
// manager's disk. When it is not, because it lacks what the pack builds on, it
// says what to build on instead.
type StorePackReply struct {
	Stored bool     `json:"stored,omitempty"`
	Have   []string `json:"have,omitempty"`
}

// FetchPackRequest asks for what a commit needs beside what is there.
type FetchPackRequest struct {
	Commit string   `json:"commit"`
	Have   []string `json:"have,omitempty"` // commits that the asking manager has whole
}
