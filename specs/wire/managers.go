package wire

// JoinManagers brings a manager one step nearer to its vote, or tells the others
// where it is now. It is asked again and again until the answer is yes.
const JoinManagers = Unary[JoinManagersRequest, JoinManagersReply]("/swarmgit.manager/Join")

// JoinManagersRequest is what the calling manager says of itself.
type JoinManagersRequest struct {
	Address string `json:"address"`         // where the others reach it
	Applied uint64 `json:"applied"`         // how far it follows
	Fresh   bool   `json:"fresh,omitempty"` // it began with an empty disk and does not vote
	Format  int    `json:"format"`          // the newest of entries that it reads
}

// JoinManagersReply says whether the manager has its vote.
type JoinManagersReply struct {
	Voter  bool   `json:"voter,omitempty"`
	Index  uint64 `json:"index,omitempty"`  // of the leader's last change: with it the manager is up to date
	Leader string `json:"leader,omitempty"` // ask there: the one that was asked does not lead
}
