// Package executortest answers whether an executor keeps the contract of
// package executor, and lends tests one that does without running anything.
//
// [Run] is the conformance suite: every implementation passes it. [Memory] is
// the executor of simulated nodes. It is a fake, not a mock: it keeps every
// promise of the contract, and when its caller breaks one (a start before the
// prepare, two steps for one task at a time, a start after the end) it complains
// to the test. It can be told how the tasks of an image behave ([Behaviour]), to
// fail a call ([Fault]), to go away for a while, to be rebooted. [NoKeeper] stands for
// a log keeper that is away.
//
// Memory uses only channels and time, and holds its mutex over neither, so it
// works in a testing/synctest bubble; make it inside. It outlives the agents
// that use it: give the same Memory to the next one.
package executortest
