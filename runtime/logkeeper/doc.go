// Package logkeeper keeps what tasks write. Its users are the executor, which
// asks for a task's pipes, the agent, which reads logs for people, and the
// daemon, which runs the keeper.
//
// # Two processes
//
// The keeper ([Main]) is one small process for each node, in a session of its
// own, so that it outlives the daemon and no container ever loses the reader of
// its pipes. The daemon's side is the [Client]: it adopts the keeper that it
// finds or starts one, and starts another when it dies. They talk in lines of
// text over a socket in the keeper's directory. Logs are read from the files, so
// that reading needs no keeper.
//
// # One task
//
//	DIR/<task>/stdout, stderr   FIFOs; they exist from Open to Finish
//	DIR/<task>/000001.log ...   the newest maxFiles files of fileLimit
//
// The keeper holds both ends of each FIFO: a reader that gave up its end would
// end the task with SIGPIPE, a writer that comes later than the keeper must
// not find an end of file. For the same reason whoever opens a FIFO on behalf
// of a task opens it for reading too, as containerd's shim does: then a task
// survives the death of the keeper, and what it writes waits in the pipe until
// the next keeper has opened it again. Nothing that was read stays in the
// keeper's memory: a line that is not complete is written as a partial record.
//
// Finish closes the keeper's writing end and reads to the end of file, so that
// what is still on its way through the shim arrives, for drainLimit at most.
//
// # State
//
// In the keeper one goroutine, the loop, reads all pipes; it is the only one
// that writes logs, but for the end of a task that Finish could not wait for
// and for notices of what was dropped, so a pump and a log have a lock each: the
// pump's is taken first. Connections come in goroutines of their own.
//
// # Records
//
// A file holds one line for each record, in the format that Kubernetes' log
// collectors read: time, stream, P for a part of a line or F for its end, text.
// Parts of one stream belong together until the next F of that stream.
//
// # What it refuses
//
// It never blocks a task: when a file cannot be written, what was read is
// dropped and counted, and a record says how much is missing once there is room
// again. It does not sync files, keep order between the two streams closer
// than its reads, or limit how fast a task may write.
package logkeeper
