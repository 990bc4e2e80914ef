// Package schema answers what a stack repository asks for: it reads the files
// of one commit and returns stacks in the words of package specs, with the
// place where every field was written, and every mistake at its place, all of
// them at once. It serves the push, the plan and `swarmgit validate` alike.
//
// # What may be written
//
// The format is Compose v3 as `docker stack deploy` accepts it. The file
// compose.cue is the whole definition: each key with its type, the version it
// came with, and by an attribute what becomes of it:
//
//	@built()        it works
//	@ignored(why)   Swarm ignores it with a warning, and so do we
//	@later(why)     not built yet; the service works without it: a warning
//	@partial(why)   not built yet; the service would break or be weaker without
//	                it: a problem, but a Partial one
//	@refused(why)   Swarm refuses it, and so do we
//
// A key that stands there without one of them does not pass this package's
// tests, so no key is dropped silently. What depends on a value (deploy.mode:
// global) is told by the code that reads the value.
//
// # The way of one file
//
//	bytes -> tree      yaml.v3 nodes, for their positions; aliases and merge keys
//	                   expanded under a limit; duplicate keys refused
//	      -> variables from .env beside the file, never from an environment
//	      -> shape     keys known, short forms made long, lists and mappings
//	                   where they belong (shape.go, short*.go)
//	      -> CUE       values checked against compose.cue, its error paths mapped
//	                   back to positions (validate.go)
//	      -> specs     references, names and the rules between keys (service.go)
//
// A stack that a swarmgit.yaml lists may have several files: each comes as far as
// CUE by itself and is then laid over those before it (merge.go), so that what the
// specs are made of knows the file of every key. Names of other files count from
// the folder of the first, as in Compose and Swarm. swarmgit.yaml itself
// goes the same way, defined by swarmgit.cue.
//
// Each step takes the faulty parts out of the tree and goes on, so that one
// mistake does not hide the next.
//
// # What it refuses
//
// It reads nothing but the fs.FS it was given, no environment, no clock, no
// disk. A symbolic link is followed inside the tree only. Every size that a
// pusher controls has a limit, a constant max... beside what counts it.
//
// # Decisions
//
// Short forms are made long in Go and not in CUE: a disjunction of forms in CUE
// reports every branch that did not match, which nobody can read. A CUE context
// keeps what it has seen, about 44 KB per file; each call of Load has its own.
package schema
