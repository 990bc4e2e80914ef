package wire

import (
	"context"
	"time"
)

// HeadStart is how long each of several managers is given to answer before the
// next one is asked beside it. Where all is well an answer takes milliseconds.
const HeadStart = 500 * time.Millisecond

// Asked is what came of asking one address.
type Asked[T any] struct {
	Addr   string
	Answer T
	Err    error // of one that was given up, context.Canceled
}

// Race asks addresses in their order, each once the one before it has failed, or
// has had its head start: one that is cut off costs no more than that. The first
// answer is the last of what Race returns, and ends the context of the others. It
// waits until they have returned; drop gets what they answered all the same.
// Without an answer all have failed.
func Race[T any](ctx context.Context, addrs []string, ask func(ctx context.Context, addr string) (T, error), drop func(T)) (all []Asked[T]) {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	answers := make(chan Asked[T])
	running := 0
	headStart := time.NewTimer(HeadStart)
	defer headStart.Stop()
	for running > 0 || len(addrs) > 0 {
		if len(addrs) > 0 {
			addr := addrs[0]
			addrs = addrs[1:]
			running++
			go func() {
				answer, err := ask(ctx, addr)
				answers <- Asked[T]{addr, answer, err}
			}()
			headStart.Reset(HeadStart)
		}
		select {
		case <-headStart.C:
		case a := <-answers:
			running--
			if a.Err == nil {
				giveUp()
				return append(append(all, losers(answers, running, drop)...), a)
			}
			all = append(all, a)
		}
	}
	return all
}

// losers waits for those that were given up.
func losers[T any](answers <-chan Asked[T], running int, drop func(T)) (all []Asked[T]) {
	for range running {
		a := <-answers
		if a.Err == nil {
			drop(a.Answer)
		}
		a.Err = context.Canceled
		all = append(all, a)
	}
	return all
}
