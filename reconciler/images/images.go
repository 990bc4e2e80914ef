// Package images finds out which content the tags in stack files mean, so that
// every task of a service runs the same, wherever and whenever it starts.
//
// A tag is asked for once for each service and image, when the service first
// names it. The answer is kept in the service's task spec, as NAME:TAG@DIGEST,
// until the stack file names another image, or an operator asks again ([Ask]): a
// tag that moves in its registry changes nothing that runs, and a registry that is
// away hinders no push. That the registry could not be asked is an answer too: such
// a service goes by its tag, and the plan warns of it.
package images

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/distribution/reference"
	"golang.org/x/sync/errgroup"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// Lookup asks the registry of an image which content its name means now, and
// returns its digest, "sha256:...". Errors are sentences without the image's name.
type Lookup func(ctx context.Context, image string) (digest string, err error)

// Bounds of asking, for all images of a push or a plan together.
const (
	patience = 10 * time.Second
	atOnce   = 8
)

// Pinned are stacks whose images have their digests.
type Pinned struct {
	Stacks   []specs.Stack
	Warnings []specs.Problem // images that go by their tags
	Problems []specs.Problem // of those, which must not
}

// Pin gives the services of the stacks the digests of their images: those that
// they have in the present cluster, else the ones that lookup finds. The stacks
// that are given stay as they are. A nil lookup leaves every tag alone.
func Pin(ctx context.Context, present store.Snapshot, stacks []specs.Stack, lookup Lookup) Pinned {
	if lookup == nil {
		return Pinned{Stacks: stacks}
	}
	p := pinning{present: present, answers: map[string]answer{}}
	p.ask(ctx, stacks, lookup)
	var out Pinned
	for _, stack := range stacks {
		out.Stacks = append(out.Stacks, p.stack(stack, &out))
	}
	return out
}

// Ask is the image of a service with the digest that its tag has now, whatever
// digest was kept. The error is a sentence.
func Ask(ctx context.Context, service specs.ServiceSpec, lookup Lookup) (string, error) {
	switch {
	case service.Image == "":
		return "", errors.New("the service has no image")
	case !moves(service.Image):
		return "", fmt.Errorf("its stack file names the content itself, which never changes: %s", service.Image)
	case lookup == nil:
		return "", errors.New("this manager asks no registries")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	digest, err := lookup(ctx, service.Image)
	if err != nil {
		return "", fmt.Errorf("%s: %w", service.Image, err)
	}
	return service.Image + "@" + digest, nil
}

// notAsked is why a lookup did not ask a registry.
type notAsked struct{ host string }

func (e notAsked) Error() string {
	return "no service and no login of the cluster is of the registry " + e.host + ", and a viewer has no other asked"
}

// Among is lookup for the registries that the cluster has to do with already: those
// of its services' images, and those that it has a login for. Who may only view
// cannot have a manager ask any host.
func Among(present store.Snapshot, lookup Lookup) Lookup {
	if lookup == nil {
		return nil
	}
	known := map[string]bool{}
	for service := range present.Services() {
		known[Host(service.Spec.Image)] = true
	}
	for _, login := range present.Cluster().Registries {
		known[login.Host] = true
	}
	return func(ctx context.Context, image string) (string, error) {
		if host := Host(image); !known[host] {
			return "", notAsked{host}
		}
		return lookup(ctx, image)
	}
}

// pinning is Pin at work.
type pinning struct {
	present store.Snapshot
	answers map[string]answer // by the image as stack files name it
}

type answer struct {
	digest string
	err    error
}

// kept is the image that a service's tasks have, if the service named the same
// image before and this one will do.
func (p *pinning) kept(service specs.ServiceSpec) (string, bool) {
	now, found := p.present.ServiceNamed(service.Name)
	if !found || now.Spec.Image != service.Image {
		return "", false
	}
	task, found := p.present.TaskSpec(now.Spec.Task)
	return task.Image, found && !(service.RequireDigest && moves(task.Image))
}

// ask fills answers with what no service has yet.
func (p *pinning) ask(ctx context.Context, stacks []specs.Stack, lookup Lookup) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wanted := map[string]bool{}
	for _, stack := range stacks {
		for _, service := range stack.Services {
			if _, kept := p.kept(service); !kept && moves(service.Image) {
				wanted[service.Image] = true
			}
		}
	}
	var asking errgroup.Group
	asking.SetLimit(atOnce)
	var mu sync.Mutex
	for _, image := range slices.Sorted(maps.Keys(wanted)) {
		asking.Go(func() error {
			digest, err := lookup(ctx, image)
			mu.Lock()
			defer mu.Unlock()
			p.answers[image] = answer{digest, err}
			return nil
		})
	}
	_ = asking.Wait() // each answer has its own error
}

// Host is the registry that an image comes from, as names of images begin; ""
// if it comes from none.
func Host(image string) string {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}

// moves reports that an image's name may mean another content tomorrow.
func moves(image string) bool {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return false // a content's own ID, or no image at all
	}
	_, fixed := named.(reference.Digested)
	return !fixed
}

func (p *pinning) stack(stack specs.Stack, out *Pinned) specs.Stack {
	tasks := stack.Tasks
	stack.Services, stack.Tasks = slices.Clone(stack.Services), make(map[specs.Hash]specs.TaskSpec, len(tasks))
	for i := range stack.Services {
		service := &stack.Services[i]
		task := tasks[service.Task]
		if kept, ok := p.kept(*service); ok {
			task.Image = kept
		} else if found, asked := p.answers[service.Image]; asked && found.err == nil {
			task.Image = service.Image + "@" + found.digest
		} else if asked {
			p.report(stack, *service, found.err, out)
		}
		service.Task = encoding.HashTaskSpec(task)
		stack.Tasks[service.Task] = task
	}
	return stack
}

// report tells of an image without a digest.
func (p *pinning) report(stack specs.Stack, service specs.ServiceSpec, why error, out *Pinned) {
	problem := specs.Problem{Path: "services." + service.ShortName() + ".image"}
	problem.Position, _ = stack.Origins.Find(problem.Path)
	if errors.As(why, new(notAsked)) {
		problem.Message = fmt.Sprintf("%s: digest not looked up: %v", service.Image, why)
		out.Warnings = append(out.Warnings, problem)
		return
	}
	if service.RequireDigest {
		problem.Message = fmt.Sprintf("%s has no digest, which the service requires: %v", service.Image, why)
		out.Problems = append(out.Problems, problem)
		return
	}
	problem.Message = fmt.Sprintf("%s goes by its tag: each node runs what it has or gets under it; %v", service.Image, why)
	out.Warnings = append(out.Warnings, problem)
}
