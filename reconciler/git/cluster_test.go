package git

import (
	"context"
	"fmt"
	"io"
	"maps"
	"sync"
	"testing"
)

// cluster keeps the promises of Cluster in memory and complains when ours are
// broken.
type cluster struct {
	t *testing.T

	mu     sync.Mutex
	refs   map[string]string
	pushes []Push

	check  func(ctx context.Context, push Push, out io.Writer) error // nil accepts
	commit func(ctx context.Context, push Push) error                // before the row moves
	after  func(push Push) error                                     // once it has moved
	follow func(ctx context.Context, push Push, out io.Writer) error

	replicate func(ctx context.Context, push Push) (Copies, error) // nil is one manager
}

func newCluster(t *testing.T) *cluster { return &cluster{t: t, refs: map[string]string{}} }

func (c *cluster) Refs() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.refs)
}

func (c *cluster) set(ref, commit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refs[ref] = commit
}

func (c *cluster) Check(ctx context.Context, push Push, out io.Writer) (Checked, error) {
	if (push.New == "") != (push.Files == nil) {
		c.t.Errorf("push of %q comes with files %v", push.New, push.Files)
	}
	c.mu.Lock()
	c.pushes = append(c.pushes, push)
	c.mu.Unlock()
	if c.check != nil {
		if err := c.check(ctx, push, out); err != nil {
			return nil, err
		}
	}
	return &checked{cluster: c, push: push}, nil
}

type checked struct {
	*cluster
	push      Push
	committed bool
	copies    Copies
}

func (c *checked) Copies() Copies { return c.copies }

func (c *checked) Commit(ctx context.Context) error {
	if c.committed {
		c.t.Error("committed twice")
	}
	if c.cluster.commit != nil {
		if err := c.cluster.commit(ctx, c.push); err != nil {
			return err
		}
	}
	if c.replicate != nil {
		var err error
		if c.copies, err = c.replicate(ctx, c.push); err != nil {
			return err
		}
	}
	if err := c.move(); err != nil {
		return err
	}
	if c.after != nil {
		return c.after(c.push)
	}
	return nil
}

func (c *checked) move() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.refs[c.push.Ref]; now != c.push.Old {
		return fmt.Errorf("%s is %s: %w", c.push.Ref, now, ErrConflict)
	}
	c.committed = true
	if c.push.New == "" {
		delete(c.refs, c.push.Ref)
	} else {
		c.refs[c.push.Ref] = c.push.New
	}
	return nil
}

func (c *checked) Follow(ctx context.Context, out io.Writer) error {
	if !c.committed {
		c.t.Error("followed before it was committed")
	}
	if c.cluster.follow != nil {
		return c.cluster.follow(ctx, c.push, out)
	}
	return nil
}
