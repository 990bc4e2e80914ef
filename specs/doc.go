// Package specs holds the words of swarmgit: what can be wanted of a cluster
// and what is seen of it.
//
// Everybody imports it and it imports nothing but the standard library. Its
// types are values: no method does I/O, reads a clock or draws a random number.
// One model serves YAML, CUE, the JSON API and the binary encoding, so field
// tags are JSON tags and every field is omitted when it is zero.
//
// Three families live here:
//
//   - what people write: [ServiceSpec], [TaskSpec], [Stack], and where they
//     wrote it, [Origins] and [Problem];
//   - what the cluster remembers: [Service], [Task], [Node], [Revision],
//     [Source], [Ref], [Cluster], each a row made of groups of fields with one
//     writer a group;
//   - how the memory changes: [Change] and [Transaction].
//
// Text forms are the ones that people write: "10s", "512M", "0.5", "running".
package specs
