package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/specs"
)

func wantDetails(t *testing.T, write func(d *details), want string) {
	t.Helper()
	var b strings.Builder
	printDetails(&b, write)
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestServiceInspectScreen(t *testing.T) {
	duration := func(d time.Duration) *specs.Duration { return (*specs.Duration)(&d) }
	number := func(n uint64) *uint64 { return &n }
	s := api.Service{Running: 2, Wanted: 3, Service: specs.Service{
		ID: "a9k2m00000000000000000000",
		Spec: specs.ServiceSpec{
			Name: "shop_web", Stack: "shop", Labels: map[string]string{"team": "core"},
			Placement: specs.Placement{Constraints: []string{"node.labels.zone == b"}, MaxReplicas: 2},
			Restart:   specs.RestartPolicy{Condition: specs.RestartOnFailure, MaxAttempts: 3, Window: specs.Duration(2 * time.Minute)},
			Update:    specs.UpdateConfig{Parallelism: number(0), Delay: specs.Duration(time.Second), Monitor: duration(time.Minute)},
		},
		Rollout: specs.Rollout{State: specs.RolloutPaused, Ended: noon.Add(-2 * time.Minute), Message: "1 of 3 tasks failed"},
	}, Task: specs.TaskSpec{
		Image: "demo/web:1.0@sha256:12", Command: []string{"serve", "-v"}, Env: []string{"A=1", "B=two\nlines"},
		Mounts: []specs.Mount{
			{Type: specs.MountBind, Source: "/srv", Target: "/data", ReadOnly: true}, {Type: specs.MountTmpfs, Target: "/tmp"},
		},
		Secrets:   []specs.FileRef{{Name: "shop_tls", Target: "/run/secrets/tls"}},
		HostPorts: []specs.HostPort{{Published: 80, Target: 80, Protocol: "tcp"}},
		Limits:    specs.Limits{CPUs: 5e8, Memory: 64 << 20}, StopSignal: "SIGQUIT",
	}}
	wantDetails(t, func(d *details) { d.service(s, noon) }, `
ID:                 a9k2m00000000000000000000
Name:               shop_web
Stack:              shop
Labels:             team=core
Mode:               replicated, 2 of 3 tasks running
Rollout:            paused 2 minutes ago: 1 of 3 tasks failed
Constraints:        node.labels.zone == b
Most per node:      2
Restart:            on-failure, after 5s, at most 3 times within 2m0s
Update:             all at once, stop-first, 1s between, watched for 1m0s, on failure pause
Image:              demo/web:1.0@sha256:12
Command:            serve -v
Environment:        A=1
                    B=two lines
Mounts:             bind /srv -> /data (read-only)
                    tmpfs /tmp
Secrets:            shop_tls -> /run/secrets/tls
Ports:              *:80->80/tcp
Limits:             0.5 CPUs, 64M memory
Stop signal:        SIGQUIT
Stop grace period:  10s
`)
}

func TestConfigInspectScreen(t *testing.T) {
	f := api.File{FileName: api.FileName{Kind: specs.Config, Name: "app_1"}, External: true, Created: noon, Versions: []api.FileVersion{
		{Version: "5891b5b522d5df08", Services: []string{"shop_api", "shop_web"}, Content: []byte("a: 1\n\nb:\x1b[2J 2\n")},
	}}
	wantDetails(t, func(d *details) { d.file(f) }, `
Name:        app_1
Created at:  2026-11-23T12:00:00Z
Version:     5891b5b5
Used by:     shop_api, shop_web
Data:
a: 1

b: [2J 2
`)
}

func TestClusterInspectScreen(t *testing.T) {
	c := api.InspectClusterReply{
		ID: "p5st", Name: "prod", Created: noon, Format: 4,
		Spec: api.ClusterSpec{
			Branch: "main", Path: "live", History: 5, HeartbeatPeriod: specs.Duration(5 * time.Second), OrphanAfter: specs.Duration(24 * time.Hour),
			PackLimit: 32 << 20, CertExpiry: specs.Duration(2160 * time.Hour),
		},
		CA: &api.ClusterCA{
			Root:       api.RootCertificate{Digest: "5891b5b5", Subject: "CN=swarmgit-ca", NotAfter: noon},
			RotatingTo: &api.RootCertificate{Digest: "09be4f1c", Subject: "CN=ours", NotAfter: noon, External: []string{"ca.example"}},
		},
	}
	wantDetails(t, func(d *details) { d.cluster(c) }, `
ID:                p5st
Name:              prod
Created at:        2026-11-23T12:00:00Z
Format:            4
Branch:            main
Path:              live
Task history:      5 ended tasks kept per slot
Heartbeat period:  5s
Orphaned after:    24h0m0s
Largest push:      32M
Certificates:      good for 2160h0m0s
Root CA:           sha256:5891b5b5
                   CN=swarmgit-ca, good until 2026-11-23T12:00:00Z
Rotating to:       sha256:09be4f1c
                   CN=ours, good until 2026-11-23T12:00:00Z
                   signed for by ca.example
`)
}

func TestTaskFilter(t *testing.T) {
	task := func(id, name, node, hostname string, desired specs.State) api.Task {
		return api.Task{Task: specs.Task{ID: id, Want: specs.TaskWant{Node: node, Desired: desired}}, Name: name, Hostname: hostname}
	}
	tasks := []api.Task{
		task("v61k", "shop_web.1", "p5st", "n1", specs.StateRunning), task("9hm0", "shop_web.1", "b7x0", "", specs.StateShutdown),
		task("k0d3", "shop_web.2", "", "", specs.StateRunning), task("4m1y", "shop_api.1", "a9k2", "n2", specs.StateReady),
		{Task: specs.Task{ID: "w8r2", SlotNode: "c3q1"}, Name: "shop_agent.c3q1"}, // waits for room there
	}
	for args, want := range map[string]string{
		"":                                  "v61k 9hm0 k0d3 4m1y w8r2",
		"desired-state=running":             "v61k k0d3",
		"desired-state=running node=n1":     "v61k",
		"node=b7":                           "9hm0",
		"node=c3":                           "w8r2",
		"name=shop_web.1":                   "v61k 9hm0",
		"id=k0 id=4m":                       "k0d3 4m1y",
		"desired-state=ready name=shop_web": "",
		"desired-state=dead":                "--filter desired-state=dead: a desired-state is ready, running, complete, shutdown or remove",
		"state=running":                     "--filter state=running: write it as id=, name=, node= or desired-state= and a value",
		"desired-state":                     "--filter desired-state: write it as id=, name=, node= or desired-state= and a value",
	} {
		filter, err := parseFilter(taskFilters, strings.Fields(args))
		got := strings.Join(each(filter.pick(tasks), func(t api.Task) string { return t.ID }), " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", args, got, want)
		}
	}
}
