package containerd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	tasksapi "github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/v2/client"
	"google.golang.org/grpc"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// Defaults of Config.
const (
	DefaultNamespace    = "swarmgit"
	DefaultCgroupParent = "/swarmgit"
)

// reconnectDelay bounds the pause between two attempts to reach a containerd
// that went away.
const reconnectDelay = time.Second

// Config says which containerd runs the tasks and where things lie.
type Config struct {
	Socket string        // of containerd
	Dir    string        // for our own small files: hosts files, stdin pipes, scratch mounts
	Logs   executor.Logs // nil throws away what tasks write

	Namespace    string // DefaultNamespace
	Snapshotter  string // overlayfs where the machine can, else native
	RuncRoot     string // runc's state directory; empty is runc's own default
	State        string // containerd's own, if it is private
	CgroupParent string // DefaultCgroupParent; every task has a cgroup below it
	Log          *slog.Logger
}

// Engine is an executor over one containerd.
type Engine struct {
	config Config
	log    *slog.Logger
	client *client.Client
	tasks  tasksapi.TasksClient
	host   host
	turns  turns // by image name: one pull or removal at a time

	watched watched // has a mutex of its own

	answerLimit time.Duration // answerLimit, but in tests

	diskUse func(context.Context) (percent int, err error) // snapshotsDisk, but in tests

	mu        sync.Mutex
	images    map[string]*image        // by digest of the image's target
	preparing map[string]executor.Task // by ID: their images are not removed
}

var _ executor.Executor = (*Engine)(nil)

// openTimeout is how long Open waits for a containerd that is just starting.
const openTimeout = 10 * time.Second

// Open connects to containerd and learns what it can do. It waits for an engine
// that has made its socket and does not answer yet, for openTimeout at most.
func Open(ctx context.Context, config Config) (*Engine, error) {
	config = config.withDefaults()
	if err := os.MkdirAll(filepath.Join(config.Dir, "tasks"), 0o700); err != nil {
		return nil, fmt.Errorf("make the executor's directory: %w", err)
	}
	e := &Engine{
		config: config, log: config.Log, answerLimit: answerLimit,
		images: map[string]*image{}, preparing: map[string]executor.Task{},
		watched: watched{waits: map[string]wait{}, notes: map[string]error{}},
	}
	e.diskUse = e.snapshotsDisk
	c, err := client.New(config.Socket, client.WithDefaultNamespace(config.Namespace), client.WithTimeout(reconnectDelay),
		client.WithExtraDialOpts([]grpc.DialOption{grpc.WithChainUnaryInterceptor(e.limited)}))
	if err != nil {
		return nil, fmt.Errorf("reach containerd at %s: %w", config.Socket, err)
	}
	e.client, e.tasks = c, c.TaskService()
	if err := e.learn(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return e, nil
}

// Close ends the connection. Tasks run on.
func (e *Engine) Close() error { return e.client.Close() }

func (c Config) withDefaults() Config {
	if c.Namespace == "" {
		c.Namespace = DefaultNamespace
	}
	if c.CgroupParent == "" {
		c.CgroupParent = DefaultCgroupParent
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// learn asks containerd and the machine what they can do.
func (e *Engine) learn(ctx context.Context) error {
	if err := e.answers(ctx); err != nil {
		return err
	}
	if e.config.Snapshotter == "" {
		name, err := e.chooseSnapshotter(ctx)
		if err != nil {
			return err
		}
		e.config.Snapshotter = name
	}
	e.host = readHost(e.log)
	if err := e.clearScratch(); err != nil {
		return err
	}
	return e.clearExecutions(ctx)
}

// answers returns nil once containerd serves.
func (e *Engine) answers(ctx context.Context) error {
	nobody := fmt.Errorf("no containerd answers at %s: start it, or use --containerd managed", e.config.Socket)
	if !pathExists(e.config.Socket) {
		return nobody
	}
	patience, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	ok, err := e.client.IsServing(patience)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil || !ok:
		return nobody
	}
	return nil
}

// snapshotters are those we can use, best first.
var snapshotters = []string{"overlayfs", "native"}

func (e *Engine) chooseSnapshotter(ctx context.Context) (string, error) {
	plugins, err := e.client.IntrospectionService().Plugins(ctx, "type==io.containerd.snapshotter.v1")
	if err != nil {
		return "", fmt.Errorf("ask containerd for its snapshotters: %w", err)
	}
	var usable []string
	for _, p := range plugins.Plugins {
		if p.InitErr == nil {
			usable = append(usable, p.ID)
		}
	}
	for _, name := range snapshotters {
		if slices.Contains(usable, name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("containerd at %s has none of the snapshotters %v, only %v", e.config.Socket, snapshotters, usable)
}

// Describe says what this machine offers.
func (e *Engine) Describe(ctx context.Context) (specs.NodeDescription, error) {
	version, err := e.client.Version(ctx)
	if err != nil {
		return specs.NodeDescription{}, failure(ctx, "ask containerd for its version", err)
	}
	d, err := executor.Machine()
	d.Engine, d.Runtimes = "containerd "+version.Version, []string{specs.RuntimeContainer}
	return d, err
}

// dir is where the files of one task lie.
func (e *Engine) dir(id string) string { return filepath.Join(e.config.Dir, "tasks", id) }
