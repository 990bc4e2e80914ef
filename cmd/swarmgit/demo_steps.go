package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/swarmgit/swarmgit/examples"
	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/runtime/executor/containerd"
)

const demoStack = "stacks/shop/stack.yml"

func (d *demo) start(ctx context.Context) error {
	for _, name := range []string{"data", "repository"} {
		if err := os.MkdirAll(d.path(name), 0o700); err != nil {
			return err
		}
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	d.http = port
	if err := d.launch(ctx); err != nil {
		return err
	}
	_, err = d.swarmgit(ctx, "node", "ls")
	return err
}

// The ports among which freePort looks: the kernel gives them to nobody who does not
// ask for one by its number.
const firstFreePort, freePorts = 20_000, 12_000

// freePort is a loopback address that nobody listens on now. The daemon is
// started again on the same one, so that the clone's remote stays good.
func freePort() (string, error) {
	var err error
	for _, i := range rand.Perm(freePorts)[:100] {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstFreePort+i)); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", err
}

func (d *demo) loadImages(ctx context.Context) error {
	archives, err := buildImages(d.dir, d.program)
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if _, err := d.swarmgit(ctx, "image", "load", archive); err != nil {
			return err
		}
	}
	return nil
}

// buildImages writes the archives of the demo's images into dir: demo/web:1.0
// into web-1.0.tar, and 1.1.
func buildImages(dir string, program []byte) ([]string, error) {
	var archives []string
	for _, version := range []string{"1.0", "1.1"} {
		archive := filepath.Join(dir, "web-"+version+".tar")
		if err := buildImage(archive, program, version); err != nil {
			return nil, err
		}
		archives = append(archives, archive)
	}
	return archives, nil
}

func buildImage(path string, program []byte, version string) error {
	image, err := containerd.BuildImage(
		v1.Config{Cmd: []string{"/app"}, Env: []string{"GREETING=hello", "VERSION=" + version}},
		containerd.File{Path: "app", Mode: 0o755, Content: program},
	)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := containerd.Archive(&archive, "demo/web:"+version, image); err != nil {
		return err
	}
	return os.WriteFile(path, archive.Bytes(), 0o644)
}

// stack is the first content of the stack file.
func (d *demo) stack() ([]byte, error) {
	if d.processes {
		return examples.Process.ReadFile("process/" + demoStack)
	}
	return examples.Demo.ReadFile("demo/" + demoStack)
}

func (d *demo) showStack(ctx context.Context) error {
	stack, err := d.stack()
	if err != nil {
		return err
	}
	if err := d.write(stack); err != nil {
		return err
	}
	_, err = d.call(ctx, "cat "+demoStack, "cat", demoStack)
	return err
}

func (d *demo) firstPush(ctx context.Context) error {
	stack, err := d.stack()
	if err != nil {
		return err
	}
	if _, err := d.git(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return err
	}
	if _, err := d.swarmgit(ctx, "git-url", "--add", "swarm"); err != nil {
		return err
	}
	if err := d.write(stack); err != nil {
		return err
	}
	_, err = d.commitAndPush(ctx, "web: 1.0, three replicas")
	return err
}

func (d *demo) write(stack []byte) error {
	path := filepath.Join(d.path("repository"), filepath.FromSlash(demoStack))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, stack, 0o644)
}

// edit replaces text of the stack file, and says so as a person would do it.
func (d *demo) edit(pairs ...string) error {
	path := filepath.Join(d.path("repository"), filepath.FromSlash(demoStack))
	stack, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(stack, []byte(pairs[i])) {
			return fmt.Errorf("%s does not hold %q", demoStack, pairs[i])
		}
		fmt.Fprintf(d.out, "      $ sed -i 's/%s/%s/' %s\n", pairs[i], pairs[i+1], demoStack)
	}
	return d.write([]byte(strings.NewReplacer(pairs...).Replace(string(stack))))
}

func (d *demo) commitAndPush(ctx context.Context, message string) (string, error) {
	if _, err := d.call(ctx, "git add --all", "git", "add", "--all"); err != nil {
		return "", err
	}
	if _, err := d.call(ctx, fmt.Sprintf("git commit --quiet -m %q", message), "git", "commit", "--quiet", "-m", message); err != nil {
		return "", err
	}
	return d.git(ctx, "push", "swarm", "main")
}

func (d *demo) lookAtTasks(ctx context.Context) error {
	if _, err := d.swarmgit(ctx, "service", "ps", "shop_web"); err != nil {
		return err
	}
	if _, err := d.swarmgit(ctx, "service", "logs", "shop_web"); err != nil {
		return err
	}
	return d.expectRunning(ctx, 3, "1.0")
}

func (d *demo) expectRunning(ctx context.Context, replicas int, version string) error {
	running, err := d.running(ctx)
	if err != nil {
		return err
	}
	if len(running) != replicas {
		return fmt.Errorf("%d tasks run, not %d", len(running), replicas)
	}
	for _, task := range running {
		environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", task.Seen.PID))
		if err != nil {
			return fmt.Errorf("look at %s: %w", task.Name, err)
		}
		if !slices.Contains(strings.Split(string(environment), "\x00"), "VERSION="+version) {
			return fmt.Errorf("%s does not run version %s", task.Name, version)
		}
	}
	return nil
}

func (d *demo) update(ctx context.Context) error {
	from, to := "web:1.0", "web:1.1"
	if d.processes {
		from, to = `VERSION: "1.0"`, `VERSION: "1.1"`
	}
	if err := d.edit(from, to, "replicas: 3", "replicas: 5"); err != nil {
		return err
	}
	if _, err := d.swarmgit(ctx, "plan"); err != nil {
		return err
	}
	if _, err := d.commitAndPush(ctx, "web: 1.1, five replicas"); err != nil {
		return err
	}
	if _, err := d.swarmgit(ctx, "service", "ps", "shop_web"); err != nil {
		return err
	}
	return d.expectRunning(ctx, 5, "1.1")
}

func (d *demo) pushBroken(ctx context.Context) error {
	if err := d.edit("replicas: 5", "replicas: fife", "update_config", "update_confg"); err != nil {
		return err
	}
	printed, err := d.commitAndPush(ctx, "a slip")
	if err == nil {
		return errors.New("the cluster took a broken file")
	}
	for slip, path := range map[string]string{"fife": "services.web.deploy.replicas", "update_confg": "services.web.deploy.update_confg"} {
		place, err := d.place(slip)
		if err != nil {
			return err
		}
		if !strings.Contains(printed, place+": "+path) {
			return fmt.Errorf("the refusal does not name %s: %s", place, path)
		}
	}
	if err := d.expectRunning(ctx, 5, "1.1"); err != nil {
		return err
	}
	_, err = d.git(ctx, "reset", "--quiet", "--hard", "HEAD~1")
	return err
}

// place is where the stack file holds a text: file:line:column.
func (d *demo) place(text string) (string, error) {
	stack, err := os.ReadFile(filepath.Join(d.path("repository"), filepath.FromSlash(demoStack)))
	if err != nil {
		return "", err
	}
	before, _, _ := strings.Cut(string(stack), text)
	return fmt.Sprintf("%s:%d:%d", demoStack, 1+strings.Count(before, "\n"), len(before)-strings.LastIndex(before, "\n")), nil
}

func (d *demo) killTask(ctx context.Context) error {
	before, err := d.running(ctx)
	if err != nil {
		return err
	}
	victim := before[0]
	fmt.Fprintf(d.out, "      $ kill -9 %d     # %s\n", victim.Seen.PID, victim.Name)
	if err := syscall.Kill(victim.Seen.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the process of %s: %w", victim.Name, err)
	}
	err = d.until(ctx, victim.Name+" is replaced", func(ctx context.Context) (bool, error) {
		now, err := d.running(ctx)
		if err != nil || len(now) != len(before) {
			return false, err
		}
		return now[0].Name == victim.Name && now[0].ID != victim.ID, nil
	})
	if err != nil {
		return err
	}
	_, err = d.swarmgit(ctx, "service", "ps", "shop_web")
	return err
}

func (d *demo) killDaemon(ctx context.Context) error {
	before, err := d.running(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "      $ kill -9 %d     # the daemon\n", d.daemon.Process.Pid)
	if err := d.daemon.Process.Kill(); err != nil {
		return err
	}
	_ = d.daemon.Wait() // it was killed: that is what it will say
	if err := d.launch(ctx); err != nil {
		return err
	}
	after, err := d.running(ctx)
	if err != nil {
		return err
	}
	if err := sameProcesses(before, after); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "      the same %d %s run, with the same process IDs\n", len(after), d.tasks)
	_, err = d.swarmgit(ctx, "status")
	return err
}

// sameProcesses says which task does not run as the process that it was.
func sameProcesses(before, after []api.Task) error {
	if len(before) != len(after) {
		return fmt.Errorf("%d tasks ran, now %d do", len(before), len(after))
	}
	for i := range before {
		if before[i].ID != after[i].ID || before[i].Seen.PID != after[i].Seen.PID {
			return fmt.Errorf("%s was process %d and is %d", before[i].Name, before[i].Seen.PID, after[i].Seen.PID)
		}
		if err := syscall.Kill(after[i].Seen.PID, 0); err != nil {
			return fmt.Errorf("%s is said to be process %d: %w", after[i].Name, after[i].Seen.PID, err)
		}
	}
	return nil
}

func (d *demo) removeStack(ctx context.Context) error {
	before, err := d.running(ctx)
	if err != nil {
		return err
	}
	if _, err := d.git(ctx, "rm", "--quiet", "-r", "stacks"); err != nil {
		return err
	}
	if _, err := d.commitAndPush(ctx, "close the shop"); err != nil {
		return err
	}
	if _, err := d.swarmgit(ctx, "service", "ls"); err != nil {
		return err
	}
	for _, task := range before {
		if err := syscall.Kill(task.Seen.PID, 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process %d of %s is still there", task.Seen.PID, task.Name)
		}
	}
	fmt.Fprintf(d.out, "      none of the %d tasks' processes is left\n", len(before))
	return d.expectRunning(ctx, 0, "")
}
