// Package task is one task's life on its node: what a node does next for a
// task, and what the task's state is, whatever happens.
//
// [Step] is the whole of it, a pure function. The agent's driver feeds it what
// happens, the managers' wishes and the results of the executor's calls, and
// runs the one action that it answers. When the answer is another action than
// the one that is running, the driver interrupts that one and tells Step that
// it did.
//
//	ACCEPTED --began--> PREPARING --prepared--> READY --wanted running-->
//	STARTING --started--> RUNNING --ended--> COMPLETE | FAILED | SHUTDOWN
//
// What can be relied on:
//
//   - The state only moves forward, and every task ends: from each state each
//     event leads towards an end or leaves the life as it was.
//   - A task that is checked stays STARTING until a check succeeds, and is
//     stopped and FAILED once too many have failed in a row; [Checked] counts as
//     Docker does.
//   - Before STARTING no process exists. An error is REJECTED before STARTING
//     and FAILED from STARTING on; an end that was asked for is SHUTDOWN.
//   - A task never runs twice. After anything that leaves open whether the
//     process started, a restart of the daemon or a start whose answer was
//     lost, the life is Lost, and the only action is to look.
//   - A temporary error says nothing about the task: the step is tried again,
//     after 1 s and then ever more slowly. A wait is tried again after a look,
//     which takes back what was said of the engine.
//   - Whatever a task left in the executor is removed after its end.
//
// It refuses nothing: an event that a state does not expect changes nothing.
package task
