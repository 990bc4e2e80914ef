package git

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// packs hands out a pack, whatever is asked for, and notes on what it may build.
type packs struct {
	pack []byte
	have [][]string
}

func (p *packs) Fetch(_ context.Context, _ string, have []string) (io.ReadCloser, error) {
	p.have = append(p.have, have)
	return io.NopCloser(bytes.NewReader(p.pack)), nil
}

// Take asks for what is new beyond what is here, and for all of it when that was
// not enough. What is too large is refused in words.
func TestTake(t *testing.T) {
	r, work := newRepository(t), workTree(t)
	first := work.commit("file", noise(10_000), "one")
	all := &packs{pack: work.pack(first)}
	err := r.Take(t.Context(), first, "", all, 1000)
	if err == nil || !strings.Contains(err.Error(), "it is larger than the 1000 that are taken at once") {
		t.Errorf("a pack over the limit: %v", err)
	}
	r.wantHas(t, false, first)
	if err := r.Take(t.Context(), first, "", all, 1<<20); err != nil {
		t.Fatal(err)
	}
	second := work.commit("file", noise(10_000)+"more", "two")
	beyond := &packs{pack: work.pack(second, first)}
	if err := r.Take(t.Context(), second, first, beyond, 1<<20); err != nil || len(beyond.have) != 1 || len(beyond.have[0]) != 1 {
		t.Errorf("%v, asked beyond %v", err, beyond.have)
	}
	third := work.commit("file", "three", "three")
	if err := r.Take(t.Context(), third, first, &packs{pack: work.pack(third, second)}, 1<<20); err != nil {
		t.Errorf("a pack that builds on another commit that is here: %v", err)
	}
	again := &packs{}
	if err := r.Take(t.Context(), third, "", again, 1<<20); err != nil || len(again.have) != 0 {
		t.Errorf("what is here: %v, asked %v", err, again.have)
	}
	empty := newRepository(t)
	lacking := &packs{pack: work.pack(third, second)}
	if err := empty.Take(t.Context(), third, second, lacking, 1<<20); err == nil || len(lacking.have) != 1 || lacking.have[0] != nil {
		t.Errorf("a pack that builds on what is not here: %v, asked beyond %v", err, lacking.have)
	}
	for _, commit := range []string{first, second, third} {
		if descends, err := r.Descends(t.Context(), third, commit); !descends || err != nil {
			t.Errorf("%s: %v, %v", commit, descends, err)
		}
	}
	if descends, err := r.Descends(t.Context(), first, third); descends || err != nil {
		t.Errorf("the other way round: %v, %v", descends, err)
	}
}
