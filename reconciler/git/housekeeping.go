package git

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const (
	// housekeepingPeriod is how often the packs are counted.
	housekeepingPeriod = 10 * time.Minute
	// maxPacks is how many packs there may be before they become one: each push
	// brings one, and each read may look into all.
	maxPacks = 50
	// keepUnreachable is how long objects of deleted and rewound branches stay
	// readable.
	keepUnreachable = "2.weeks.ago"
)

// Run keeps the repository small until ctx ends. It waits for receives to
// finish and makes later ones wait.
func (r *Repository) Run(ctx context.Context) error {
	tick := time.NewTicker(housekeepingPeriod)
	defer tick.Stop()
	for {
		if err := r.tidy(ctx, maxPacks); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "housekeeping of the repository", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *Repository) tidy(ctx context.Context, packs int) error {
	found, err := filepath.Glob(filepath.Join(r.dir, "objects/pack/*.pack"))
	if err != nil || len(found) <= packs {
		return err
	}
	if err := r.acquireAll(ctx); err != nil {
		return err
	}
	defer r.releaseAll()
	for _, args := range [][]string{
		{"repack", "-A", "-d", "-q", "--unpack-unreachable=" + keepUnreachable},
		{"prune", "--expire=" + keepUnreachable},
		{"pack-refs", "--all"},
	} {
		if _, err := r.git(ctx, "", args...); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repository) acquire(ctx context.Context) error {
	select {
	case <-r.slots:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Repository) release() { r.slots <- struct{}{} }

func (r *Repository) acquireAll(ctx context.Context) error {
	for n := range maxReceives {
		if err := r.acquire(ctx); err != nil {
			for range n {
				r.release()
			}
			return err
		}
	}
	return nil
}

func (r *Repository) releaseAll() {
	for range maxReceives {
		r.release()
	}
}

// quarantined reads what a receive has brought in so far, beside what is stored.
func (r *Repository) quarantined(folder string) *objects {
	return newObjects(r.dir, quarantine(r.dir, folder)...)
}

// syncPacks makes the names of received packs durable; git has synced what is
// in them.
func (r *Repository) syncPacks() error {
	folder, err := os.Open(filepath.Join(r.dir, "objects/pack"))
	if err != nil {
		return fmt.Errorf("sync packs: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync packs: %w", err)
	}
	return nil
}
