package bell

import (
	"sync"
	"testing"
)

// Who takes the channel first and looks then sees every change, however many ring
// and wait at once.
func TestNobodyWaitsForWhatHasBeen(t *testing.T) {
	var (
		b    Bell
		mu   sync.Mutex
		done int
		all  sync.WaitGroup
	)
	const rings = 1000
	for range 4 {
		all.Go(func() {
			for {
				next := b.Next()
				mu.Lock()
				over := done == 2*rings
				mu.Unlock()
				if over {
					return
				}
				<-next
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range rings {
				mu.Lock()
				done++
				mu.Unlock()
				b.Ring()
			}
		})
	}
	all.Wait()
}

func TestABellIsRungForThoseWhoWait(t *testing.T) {
	var b Bell
	b.Ring()
	first, same := b.Next(), b.Next()
	select {
	case <-first:
		t.Fatal("rung before somebody waited, and heard after")
	default:
	}
	b.Ring()
	<-first
	<-same
	select {
	case <-b.Next():
		t.Fatal("heard twice")
	default:
	}
}
