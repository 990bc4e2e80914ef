package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// dockersWords are commands that people of Docker and of other tools type, without
// the program, and what to do here instead.
var dockersWords = map[string]string{
	"swarm":            `a cluster is made by "swarmgit daemon --init"`,
	"swarm init":       `a cluster is made by "swarmgit daemon --init"`,
	"swarm join":       `a machine joins by "swarmgit daemon --join ADDR --token TOKEN"`,
	"swarm join-token": `it is "swarmgit join-token worker" or "manager"`,
	"swarm leave":      `it is "swarmgit leave"`,
	"swarm update":     `it is "swarmgit cluster update"`,
	"swarm inspect":    `it is "swarmgit cluster inspect"`,
	"swarm ca":         `it is "swarmgit ca rotate"`,
	"init":             `a cluster is made by "swarmgit daemon --init"`,
	"join":             `a machine joins by "swarmgit daemon --join ADDR --token TOKEN"`,

	"deploy":        "a deployment is a git push",
	"up":            "a deployment is a git push",
	"apply":         "a deployment is a git push",
	"push":          "a deployment is a git push",
	"stack up":      "a deployment is a git push",
	"stack config":  `it is "swarmgit validate"`,
	"rollback":      `undo in Git: "git revert COMMIT" and git push`,
	"scale":         `it is said in the stack file: "swarmgit service scale SERVICE" tells where`,
	"restart":       `it is "swarmgit service restart SERVICE"`,
	"config update": "a config that was created here never changes: create one of another name, and name that in the stack file",
	"secret update": "a secret that was created here never changes: create one of another name, and name that in the stack file",

	"info":      `it is "swarmgit status"`,
	"ps":        `it is "swarmgit service ps SERVICE", "stack ps STACK" or "node ps NODE"`,
	"ls":        `it is "swarmgit service ls"`,
	"logs":      `it is "swarmgit service logs SERVICE"`,
	"inspect":   `it is "swarmgit service inspect SERVICE", "task inspect" or "node inspect"`,
	"task ls":   `it is "swarmgit service ps SERVICE"`,
	"task ps":   `it is "swarmgit service ps SERVICE"`,
	"task logs": `it is "swarmgit service logs TASK"`,
	"task exec": `it is "swarmgit exec TASK COMMAND"`,
	"container": `a service's containers are its tasks: "swarmgit service ps SERVICE"`,

	"images":     `it is "swarmgit image ls"`,
	"rmi":        `it is "swarmgit image rm IMAGE"`,
	"load":       `it is "swarmgit image load FILE"`,
	"pull":       "each node pulls by itself what its tasks need",
	"image pull": "each node pulls by itself what its tasks need",
	"login":      `it is "swarmgit registry login HOST"`,
	"logout":     `it is "swarmgit registry logout HOST"`,

	"network": "networks are not built yet; tasks use the host's",
	"volume":  "named volumes are not built yet; a directory of the node can be mounted (type: bind)",
}

// elsewhereCalled is what of the words after c has another name here, and what to do;
// "" if they are no words of Docker.
func elsewhereCalled(c *cobra.Command, args []string) (typed, here string) {
	words := append(strings.Fields(c.CommandPath())[1:], args...)
	for n := min(len(words), 2); n > 0 && here == ""; n-- {
		typed = strings.Join(words[:n], " ")
		here = dockersWords[typed]
	}
	return typed, here
}
