package schema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/template"
)

// service makes the specs of one service.
func (b *builder) service(f *field) {
	n, path := f.value, "services."+f.key
	deploy := n.get("deploy")
	labels := b.pairs(deploy.get("labels"), path+".deploy.labels")
	b.labels = template.Labels(b.stack, labels)
	service := specs.ServiceSpec{
		Name:      b.fullName(f.key),
		Stack:     b.stack,
		Labels:    labels,
		Image:     n.get("image").text(),
		Placement: b.placement(deploy.get("placement"), path+".deploy.placement"),
		Restart:   b.restart(n, path),
		Update:    b.update(deploy.get("update_config"), path+".deploy.update_config"),

		RequireDigest: n.at("x-swarmgit", "require_digest").bool(),
	}
	task := specs.TaskSpec{
		Runtime:     n.get("runtime").text(),
		Image:       b.image(f),
		Entrypoint:  n.get("entrypoint").texts(),
		Command:     n.get("command").texts(),
		Env:         b.environment(n, path),
		User:        n.get("user").text(),
		WorkingDir:  n.get("working_dir").text(),
		Hostname:    b.templated(n.get("hostname"), path+".hostname"),
		Labels:      b.pairs(n.get("labels"), path+".labels"),
		Mounts:      b.mounts(n, path),
		ReadOnly:    n.get("read_only").bool(),
		Init:        n.get("init").bool(),
		TTY:         n.get("tty").bool(),
		Stdin:       n.get("stdin_open").bool(),
		Sysctls:     b.pairs(n.get("sysctls"), path+".sysctls"),
		Ulimits:     b.ulimits(n.get("ulimits"), path+".ulimits"),
		ExtraHosts:  b.extraHosts(n.get("extra_hosts"), path+".extra_hosts"),
		ShmSize:     b.size(n.get("shm_size"), path+".shm_size"),
		OOMScoreAdj: n.get("oom_score_adj").int(),
		Healthcheck: b.healthcheck(n.get("healthcheck"), path+".healthcheck"),
		HostPorts:   b.hostPorts(n.field("ports"), path),
		StopSignal:  b.stopSignal(n.get("stop_signal"), path+".stop_signal"),
		StopGrace:   b.duration(n.get("stop_grace_period"), path+".stop_grace_period"),
	}
	task.CapAdd, task.CapDrop = b.capabilities(n, path)
	task.Limits, task.Reservations = b.resources(deploy.get("resources"), path+".deploy.resources")
	b.networks(n, path)
	b.fileRefs(&task, n, path)
	b.endpointMode(deploy, path)
	if b.mode(&service, deploy, path) {
		b.add(service, task)
	}
}

func (b *builder) image(f *field) string {
	n := f.value.get("image")
	if isProcess(f.value) {
		b.process(f, "services."+f.key)
		return ""
	}
	if n.text() == "" {
		if !f.value.wasLost("image") {
			b.to.problem(f.pos, "services."+f.key, "needs an image; Swarm builds none"+n.lacks())
		}
		return ""
	}
	if _, err := reference.ParseAnyReference(n.value); err != nil {
		message := "must be an image such as nginx:1.29" + got(n, "")
		if why, ok := strings.CutPrefix(err.Error(), reference.ErrReferenceInvalidFormat.Error()+": "); ok {
			message += ": " + why
		}
		b.to.problem(n.pos, "services."+f.key+".image", message)
	}
	return n.value
}

// mode sets how many tasks there are. It says false for a service that must be
// left out, because its mode is not built.
func (b *builder) mode(service *specs.ServiceSpec, deploy *node, path string) bool {
	mode, replicas := deploy.get("mode"), deploy.get("replicas")
	service.Replicas = replicas.count()
	if service.Replicas != nil && *service.Replicas > maxReplicas {
		b.to.problem(replicas.pos, path+".deploy.replicas", fmt.Sprintf("must be at most %d, got %s", maxReplicas, replicas.value))
	}
	m := specs.Mode(mode.text())
	if replicas != nil && (m == specs.Global || m == specs.GlobalJob) {
		b.to.problem(replicas.pos, path+".deploy.replicas", "goes with the modes replicated and replicated-job only")
	}
	switch m {
	case "", specs.Replicated:
		return true
	case specs.Global:
		service.Mode = m
		b.oneOnEachNode(service, deploy, path)
		return true
	}
	b.to.partial(mode.pos, path+".deploy.mode", fmt.Sprintf("%s services are not built yet; until then the service is left out", m))
	return false
}

// oneOnEachNode drops the limit that a global service has by itself.
func (b *builder) oneOnEachNode(service *specs.ServiceSpec, deploy *node, path string) {
	if most := deploy.at("placement", "max_replicas_per_node"); most != nil {
		b.to.warn(most.pos, path+".deploy.placement.max_replicas_per_node", "ignored: a global service has one task on each node")
		service.Placement.MaxReplicas = 0
	}
}

// maxReplicas is how many tasks one service may ask for: as many as the scheduler
// is built for.
const maxReplicas = 1_000_000

// restart reads deploy.restart_policy, else the old key restart, as Swarm does.
func (b *builder) restart(n *node, path string) specs.RestartPolicy {
	policy, old := n.at("deploy", "restart_policy"), n.field("restart")
	if policy == nil {
		return b.oldRestart(old, path+".restart")
	}
	if old != nil {
		b.to.warn(old.pos, path+".restart", "ignored, because deploy.restart_policy is set")
	}
	here := path + ".deploy.restart_policy"
	p := specs.RestartPolicy{
		Condition: specs.RestartCondition(policy.get("condition").text()),
		Delay:     b.duration(policy.get("delay"), here+".delay"),
		Window:    b.durationOrZero(policy.get("window"), here+".window"),

		MaxAttempts: policy.get("max_attempts").countOrZero(),
	}
	return p
}

func (b *builder) oldRestart(f *field, path string) (p specs.RestartPolicy) {
	if f == nil {
		return p
	}
	policy, attempts, limited := strings.Cut(f.value.value, ":")
	n, err := strconv.ParseUint(attempts, 10, 31)
	switch {
	case limited && (policy != "on-failure" || err != nil):
	case policy == "always" || policy == "unless-stopped":
		return specs.RestartPolicy{Condition: specs.RestartAny}
	case policy == "on-failure":
		return specs.RestartPolicy{Condition: specs.RestartOnFailure, MaxAttempts: n}
	case policy == "no" || policy == "":
		b.to.warn(f.pos, path, "ignored, as by Swarm: tasks restart; where they must not, write deploy.restart_policy.condition: none")
		return p
	}
	b.to.problem(f.value.pos, path, `must be "no", always, unless-stopped, on-failure or on-failure:3`+got(f.value, path))
	return p
}

func (b *builder) update(n *node, path string) specs.UpdateConfig {
	if n == nil {
		return specs.UpdateConfig{}
	}
	u := specs.UpdateConfig{
		Parallelism:     n.get("parallelism").count(),
		Delay:           b.durationOrZero(n.get("delay"), path+".delay"),
		FailureAction:   specs.FailureAction(n.get("failure_action").text()),
		Monitor:         b.duration(n.get("monitor"), path+".monitor"),
		MaxFailureRatio: n.get("max_failure_ratio").ratio(),
		Order:           specs.Order(n.get("order").text()),
	}
	if u.FailureAction == specs.FailureRollback {
		b.to.partial(n.get("failure_action").pos, path+".failure_action", "rollback is not built yet; until then a failed rollout pauses")
		u.FailureAction = ""
	}
	if u.Order == specs.StartFirst {
		b.to.partial(n.get("order").pos, path+".order", "start-first is not built yet; until then tasks are replaced stop-first")
		u.Order = ""
	}
	return u
}

func (b *builder) resources(n *node, path string) (limits specs.Limits, reserved specs.Resources) {
	limit, reserve := n.get("limits"), n.get("reservations")
	limits = specs.Limits{
		CPUs:   b.cpus(limit.get("cpus"), path+".limits.cpus"),
		Memory: b.memory(limit.get("memory"), path+".limits.memory"),
		Pids:   max(limit.get("pids").int(), 0), // to Swarm -1 is no limit, as 0 is
	}
	reserved = specs.Resources{
		CPUs:   b.cpus(reserve.get("cpus"), path+".reservations.cpus"),
		Memory: b.memory(reserve.get("memory"), path+".reservations.memory"),
	}
	return limits, reserved
}

func (b *builder) endpointMode(deploy *node, path string) {
	if mode := deploy.get("endpoint_mode"); mode.text() == "dnsrr" {
		b.to.partial(mode.pos, path+".deploy.endpoint_mode", "dnsrr is not built yet")
	}
}
