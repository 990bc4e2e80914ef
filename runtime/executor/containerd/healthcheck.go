package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/swarmgit/swarmgit/runtime/executor"
	"github.com/swarmgit/swarmgit/specs"
)

// dockerConfig is what Docker adds to an image's configuration. Intervals are in
// nanoseconds.
type dockerConfig struct {
	Config struct {
		Healthcheck *struct {
			Test                                          []string
			Interval, Timeout, StartPeriod, StartInterval time.Duration
			Retries                                       int
		}
	} `json:"config"`
}

// readHealthcheck returns the health check of an image, nil if it has none. What
// of it makes no sense is as if it were not there.
func readHealthcheck(ctx context.Context, store content.Provider, config ocispec.Descriptor) (*specs.Healthcheck, error) {
	data, err := content.ReadBlob(ctx, store, config)
	if err != nil {
		return nil, err
	}
	var read dockerConfig
	if err := json.Unmarshal(data, &read); err != nil {
		return nil, fmt.Errorf("read the image's configuration: %w", err)
	}
	h := read.Config.Healthcheck
	if h == nil {
		return nil, nil
	}
	positive := func(d time.Duration) specs.Duration { return specs.Duration(max(d, 0)) }
	return &specs.Healthcheck{
		Test: h.Test, Interval: positive(h.Interval), Timeout: positive(h.Timeout),
		StartPeriod: positive(h.StartPeriod), StartInterval: positive(h.StartInterval),
		Retries: uint64(max(h.Retries, 0)),
	}, nil
}

// healthcheckPath is where a task keeps the check of its image: the image may be
// gone when the next daemon asks.
func (e *Engine) healthcheckPath(id string) string { return filepath.Join(e.dir(id), "healthcheck") }

func (e *Engine) keepHealthcheck(id string, check *specs.Healthcheck) error {
	if check == nil {
		return nil
	}
	data, err := json.Marshal(check)
	if err != nil {
		return err
	}
	return os.WriteFile(e.healthcheckPath(id), data, 0o600)
}

// Healthcheck returns the check that the task's image brought.
func (e *Engine) Healthcheck(ctx context.Context, id string) (*specs.Healthcheck, error) {
	data, err := os.ReadFile(e.healthcheckPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(e.dir(id)); err != nil {
			return nil, fmt.Errorf("health check of task %s: %w", id, executor.ErrNotFound)
		}
		return nil, nil
	}
	var check specs.Healthcheck
	if err == nil {
		err = json.Unmarshal(data, &check)
	}
	if err != nil {
		return nil, fmt.Errorf("health check of task %s: %w", id, err)
	}
	return &check, nil
}
