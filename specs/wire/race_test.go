package wire

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRace asks addresses that say how they answer.
func TestRace(t *testing.T) {
	refused := errors.New("refused")
	for _, tc := range []struct {
		name  string
		addrs []string
		asked string // in which order what was over
		took  time.Duration
		drops int
	}{
		{"nobody", nil, "", 0, 0},
		{"the first answers", []string{"at once", "at once"}, "at once: ok", 0, 0},
		{"the first is slow", []string{"after 400ms", "at once"}, "after 400ms: ok", 400 * time.Millisecond, 0},
		{"one is cut off", []string{"never", "at once"}, "never: context canceled, at once: ok", HeadStart, 0},
		{"three are", []string{"never", "never", "never", "after 100ms"},
			"never: context canceled, never: context canceled, never: context canceled, after 100ms: ok", 3*HeadStart + 100*time.Millisecond, 0},
		{"one refuses", []string{"refuses", "at once"}, "refuses: refused, at once: ok", 0, 0},
		{"all refuse", []string{"refuses", "refuses"}, "refuses: refused, refuses: refused", 0, 0},
		{"slower than the next", []string{"after 900ms", "never"}, "never: context canceled, after 900ms: ok", 900 * time.Millisecond, 0},
		{"one answers too late", []string{"deaf for 1s", "at once"}, "deaf for 1s: context canceled, at once: ok", time.Second, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				drops, began := 0, time.Now()
				all := Race(t.Context(), tc.addrs, func(ctx context.Context, addr string) (string, error) {
					switch how, after, _ := strings.Cut(addr, " "); {
					case how == "refuses":
						return "", refused
					case how == "never":
						<-ctx.Done()
						return "", ctx.Err()
					case how == "after":
						wait, _ := time.ParseDuration(after)
						select {
						case <-time.After(wait):
						case <-ctx.Done():
							return "", ctx.Err()
						}
					case how == "deaf":
						time.Sleep(time.Second)
					}
					return "ok", nil
				}, func(string) { drops++ })
				var asked []string
				for _, a := range all {
					end := a.Answer
					if a.Err != nil {
						end = a.Err.Error()
					}
					asked = append(asked, a.Addr+": "+end)
				}
				if diff := cmp.Diff(tc.asked, strings.Join(asked, ", ")); diff != "" {
					t.Error(diff)
				}
				if took := time.Since(began); took != tc.took || drops != tc.drops {
					t.Errorf("it took %s, want %s; %d answers were dropped, want %d", took, tc.took, drops, tc.drops)
				}
			})
		})
	}
}
