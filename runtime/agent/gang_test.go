package agent

import (
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestAGangDoesAllAndNotTooMuchAtATime gives a gang things that take as long as
// they like: as many are under way as may be, in the order in which they came, and
// once all are done nobody is left.
func TestAGangDoesAllAndNotTooMuchAtATime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			most, things := rapid.IntRange(1, 4).Draw(rt, "most"), rapid.IntRange(0, 12).Draw(rt, "things")
			var members sync.WaitGroup
			g := newGang(most, members.Go)
			var begun, ended int
			var mu sync.Mutex
			ends := make([]chan struct{}, things)
			given := 0
			for ended < things {
				if given < things && rapid.Bool().Draw(rt, "give another") {
					i := given
					ends[i] = make(chan struct{})
					g.do(func() {
						mu.Lock()
						if begun++; begun-1 != i {
							t.Errorf("%d was begun before %d", i, begun-1)
						}
						mu.Unlock()
						<-ends[i]
					})
					given++
				} else if given > ended {
					close(ends[ended])
					ended++
				}
				synctest.Wait()
				mu.Lock()
				if want := min(given, ended+most); begun != want {
					t.Errorf("%d given, %d ended, %d begun, want %d", given, ended, begun, want)
				}
				mu.Unlock()
			}
			members.Wait()
		})
	})
}
