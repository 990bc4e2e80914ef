package executortest

import (
	"context"
	"errors"
)

// NoKeeper are [executor.Logs] whose keeper does not answer.
type NoKeeper struct{}

var errNoKeeper = errors.New("another log keeper holds this directory and does not end")

func (NoKeeper) Open(context.Context, string) (stdoutPath, stderrPath string, err error) {
	return "", "", errNoKeeper
}

func (NoKeeper) Finish(context.Context, string) error { return errNoKeeper }
