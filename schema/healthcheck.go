package schema

import (
	"reflect"
	"strconv"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// minHealthTime is the shortest time of a health check that Docker takes. Zero is
// the default.
const minHealthTime = specs.Duration(time.Millisecond)

// healthcheck reads the health check of a service; nil is the image's own.
func (b *builder) healthcheck(n *node, path string) *specs.Healthcheck {
	check := &specs.Healthcheck{
		Test:          b.healthTest(n.get("test"), path+".test"),
		Interval:      b.healthTime(n.get("interval"), path+".interval"),
		Timeout:       b.healthTime(n.get("timeout"), path+".timeout"),
		Retries:       n.get("retries").countOrZero(),
		StartPeriod:   b.healthTime(n.get("start_period"), path+".start_period"),
		StartInterval: b.healthTime(n.get("start_interval"), path+".start_interval"),
	}
	off := len(check.Test) > 0 && check.Test[0] == specs.TestNone
	switch {
	case n.get("disable").bool() && len(check.Test) > 0 && !off:
		b.to.problem(n.get("test").pos, path+".test", "does not go with disable: true")
	case n.get("disable").bool(), off:
		return &specs.Healthcheck{Test: []string{specs.TestNone}}
	case reflect.ValueOf(*check).IsZero():
		return nil
	}
	return check
}

// healthTest is a test in its long form.
func (b *builder) healthTest(n *node, path string) []string {
	test := n.texts()
	if len(test) == 0 {
		return nil
	}
	first := n.items[0]
	switch test[0] {
	case specs.TestNone:
		return test[:1]
	case specs.TestCommand:
		if len(test) < 2 {
			b.to.problem(first.pos, path, "CMD needs a command after it")
		}
	case specs.TestShell:
		if len(test) != 2 {
			b.to.problem(first.pos, path, "CMD-SHELL needs one text for a shell after it, got "+strconv.Itoa(len(test)-1))
		}
	default:
		b.to.problem(first.pos, path, "must begin with CMD, CMD-SHELL or NONE, or be one text for a shell"+got(first, path))
	}
	return test
}

func (b *builder) healthTime(n *node, path string) specs.Duration {
	d := b.durationOrZero(n, path)
	if d != 0 && d < minHealthTime {
		b.to.problem(n.pos, path, "must be at least 1ms, or 0 for the default"+got(n, path))
	}
	return d
}
