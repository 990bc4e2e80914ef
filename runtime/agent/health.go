package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/runtime/task"
	"github.com/swarmgit/swarmgit/specs/bell"
)

const (
	// maxChecking is how many health checks of a node are begun at a time, and
	// checkBusy how long one counts as begun: starting a command is processor
	// time, waiting for a mute service is none and holds up nobody.
	maxChecking = 8
	checkBusy   = 2 * time.Second

	// checkJitter is the part of its period by which a check comes earlier, so
	// that tasks that were started together are not checked together.
	checkJitter = 10

	// maxCheckOutput is how much of a check's output is kept, in bytes: its end.
	maxCheckOutput = 300

	// checkStart is how long the start of a check's command may take: the machine
	// may be busy. It is none of the check's own time.
	checkStart = time.Minute
)

var errCheckStart = fmt.Errorf("%w: the command of its health check has not begun within %s", executor.ErrTemporary, checkStart)

// learnCheck finds out how the task is checked.
func (d *driver) learnCheck(ctx context.Context) (task.Check, error) {
	image, err := d.crew.executor.Healthcheck(ctx, d.task.ID)
	if err != nil {
		return task.Check{}, err
	}
	h := d.task.Spec.Healthcheck.Over(image)
	if d.test = h.Command(); d.test == nil {
		return task.Check{}, nil
	}
	d.patience = time.Duration(h.Timeout)
	return task.Check{
		Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout), Retries: h.Retries,
		StartPeriod: time.Duration(h.StartPeriod), StartInterval: time.Duration(h.StartInterval),
	}, nil
}

// beginCheck checks the task once, after about so long. The first check of a task
// that was there before the daemon comes at any time until then: there are many.
// The caller holds the mutex.
func (d *driver) beginCheck(ctx context.Context) {
	after := d.action.Check
	early := rand.N(after/checkJitter + 1)
	if d.inherited {
		early = rand.N(after)
		d.inherited = false
	}
	checking, cancel := context.WithCancel(ctx)
	w := &doing{cancel: cancel}
	d.check = w
	test, patience := d.test, d.patience // a look may learn others meanwhile
	d.crew.drivers.Go(func() {
		_ = bell.Sleep(checking, after-early)
		e := d.checkNow(checking, test, patience)
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.check == w {
			d.check = nil
			d.step(e)
			d.proceed(ctx)
		}
	})
}

// checkNow runs the check, when its turn has come, and kills it when its time is
// over.
func (d *driver) checkNow(ctx context.Context, test []string, patience time.Duration) task.Event {
	var e task.Checked
	var output tail
	err := d.inTurnToCheck(ctx, func() (err error) {
		e.Began = time.Now()
		limited, cancel := context.WithCancel(ctx)
		defer cancel()
		timer, began := time.AfterFunc(checkStart, cancel), false
		defer timer.Stop()
		e.Code, err = d.crew.executor.Exec(limited, d.task.ID, executor.Command{
			Args: test, Stdout: &output, Stderr: &output,
			Started: func() { began = timer.Reset(patience) },
		})
		switch killed := errors.Is(err, context.Canceled) && ctx.Err() == nil; {
		case killed && !began:
			return errCheckStart
		case killed:
			e.Late = true
			return nil
		}
		return err
	})
	e.Output, e.Failure = output.String(), failure(ctx, err)
	return e
}

// inTurnToCheck runs f when its turn has come, or fails with ctx.
func (d *driver) inTurnToCheck(ctx context.Context, f func() error) error {
	select {
	case d.crew.checking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	release := sync.OnceFunc(func() { <-d.crew.checking })
	defer release()
	defer time.AfterFunc(checkBusy, release).Stop()
	return f()
}

// tail keeps the end of what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	p = p[max(0, n-maxCheckOutput):]
	*t = append((*t)[max(0, len(*t)+len(p)-maxCheckOutput):], p...)
	return n, nil
}

func (t *tail) String() string { return strings.TrimSpace(strings.ToValidUTF8(string(*t), "")) }
