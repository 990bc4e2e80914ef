package reconciler

import (
	"context"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/git/outside"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/bell"
)

// followers are the followers of all outside sources, by name.
type followers struct {
	changed bell.Bell
	mu      sync.Mutex
	all     map[string]*follower
}

// of finds the follower of a source.
func (f *followers) of(name string) (*follower, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, ok := f.all[name]
	return found, ok
}

func (f *followers) put(name string, one *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = make(map[string]*follower)
	}
	if one == nil {
		delete(f.all, name)
	} else {
		f.all[name] = one
	}
	f.changed.Ring()
}

// at waits for the follower of the source as it is at this version, which its
// leader has in a moment.
func (f *followers) at(ctx context.Context, name string, version uint64) (*follower, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errOtherFollower)
	defer cancel()
	for {
		changed := f.changed.Next()
		if one, follows := f.of(name); follows && one.source.Version >= version {
			return one, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// followSources keeps a follower for each outside source that is not suspended,
// until ctx ends. Each has a goroutine of its own, so that none waits for
// another. A source that is changed gets a new one.
func (m *Manager) followSources(ctx context.Context) error {
	feed := m.store.Subscribe()
	defer feed.Close()
	var running sync.WaitGroup
	defer running.Wait()
	ends := make(map[string]context.CancelFunc)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		_, touched := feed.Take()
		if touched.All || touched.Sources {
			m.adjustFollowers(ctx, &running, ends)
		}
		if touched.Externals {
			m.hintRefused()
		}
		select {
		case <-feed.Wait():
		case <-ctx.Done():
			for name := range ends {
				m.followers.put(name, nil)
			}
			return ctx.Err()
		}
	}
}

// hintRefused has the sources looked at again whose newest commit was refused: it
// may have been for a secret that is there now.
func (m *Manager) hintRefused() {
	refused := make(map[string]bool)
	for rev := range m.store.Snapshot().Revisions() {
		refused[rev.Source] = rev.Progress.State == specs.RevisionRefused
	}
	for source, last := range refused {
		if one, follows := m.followers.of(source); follows && last {
			one.hint()
		}
	}
}

// adjustFollowers starts and ends followers as the store asks. ends are those of
// the ones that run.
func (m *Manager) adjustFollowers(ctx context.Context, running *sync.WaitGroup, ends map[string]context.CancelFunc) {
	wanted := make(map[string]specs.Source)
	for source := range m.store.Snapshot().Sources() {
		if source.Outside() && !source.Suspended {
			wanted[source.Name] = source
		}
	}
	for name, end := range ends {
		if one, _ := m.followers.of(name); one.source.Version != wanted[name].Version {
			end()
			m.followers.put(name, nil)
			delete(ends, name)
		}
	}
	for name, source := range wanted {
		if ends[name] != nil {
			continue
		}
		one := &follower{
			m: m, source: source, from: m.reading(source),
			hints: make(chan struct{}, 1), asks: make(chan chan<- looked), done: make(chan struct{}),
		}
		following, end := context.WithCancel(ctx)
		ends[name] = end
		m.followers.put(name, one)
		running.Go(func() { one.run(following) })
	}
}

const (
	// takeLimit is how long the objects of one commit may take to come.
	takeLimit = 5 * time.Minute
	// takeBytes is the largest pack that is taken from an outside source: its
	// whole history comes with the first one.
	takeBytes = 256 * specs.Bytes(1<<20)
)

// outsideReading reads a repository elsewhere into the cluster's own.
type outsideReading struct {
	outside.Remote
	into *git.Repository
}

func (m *Manager) readOutside(source specs.Source) reading {
	remote := outside.Remote{URL: source.URL, Branch: source.Branch}
	if source.Credential != nil {
		remote.Credential = *source.Credential
	}
	return outsideReading{remote, m.repository}
}

func (r outsideReading) Take(ctx context.Context, commit, old string) (c git.Commit, files fs.FS, rewritten bool, err error) {
	taking, cancel := context.WithTimeoutCause(ctx, takeLimit, fmt.Errorf("its commits did not come within %v", takeLimit))
	defer cancel()
	if err = r.into.Take(taking, commit, old, r.Remote, takeBytes); err != nil {
		if cause := context.Cause(taking); cause != nil {
			err = cause // a git that was killed says less
		}
		return c, nil, false, err
	}
	if old != "" {
		descends, err := r.into.Descends(ctx, commit, old)
		if err != nil {
			return c, nil, false, err
		}
		rewritten = !descends
	}
	if c, err = r.into.Resolve(ctx, commit); err != nil {
		return c, nil, false, err
	}
	files, err = r.into.Files(ctx, commit)
	return c, files, rewritten, err
}
