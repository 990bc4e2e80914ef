package consensus

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/specs"
)

// sized is a transaction of about n bytes.
func sized(n int) specs.Transaction {
	return specs.Transaction{{Ref: specs.Insert("r", specs.Ref{Commit: strings.Repeat("x", n)})}}
}

func TestPack(t *testing.T) {
	const k = 1 << 10
	for name, c := range map[string]struct {
		sizes []int
		want  [][]int // transactions of each entry
	}{
		"nothing":                  {nil, nil},
		"small ones share":         {[]int{k, k, k}, [][]int{{0, 1, 2}}},
		"cut when full":            {[]int{40 * k, 40 * k, 40 * k}, [][]int{{0, 1}, {2}}},
		"not beyond the largest":   {[]int{k, 255 * k, k}, [][]int{{0}, {1}, {2}}},
		"a large one stands alone": {[]int{k, 2000 * k, k}, [][]int{{0}, {1}, {2}}},
		"too large is left out":    {[]int{k, 5000 * k, k}, [][]int{{0, 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			var txs []specs.Transaction
			for _, n := range c.sizes {
				txs = append(txs, sized(n))
			}
			batches, errs, err := pack(txs)
			if err != nil {
				t.Fatal(err)
			}
			var got [][]int
			for _, b := range batches {
				got = append(got, b.from)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("entries (-want +got)\n%s", diff)
			}
			for i, err := range errs {
				if tooLarge := c.sizes[i] > transactionMax; (err != nil) != tooLarge {
					t.Errorf("transaction %d: %v", i, err)
				}
			}
		})
	}
}

func TestEntriesAreReadAsWritten(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 4, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		var txs []specs.Transaction
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 100<<10)).Draw(t, "sizes") {
			txs = append(txs, sized(n))
		}
		batches, _, err := pack(txs)
		if err != nil {
			t.Fatal(err)
		}
		var read []specs.Transaction
		for _, b := range batches {
			data, err := b.encode(Newest, at)
			if err != nil {
				t.Fatal(err)
			}
			e, err := decodeEntry(data)
			if err != nil {
				t.Fatal(err)
			}
			if !e.At.Equal(at) || len(data) > entryMax+1<<10 {
				t.Fatalf("an entry of %d bytes at %v", len(data), e.At)
			}
			read = append(read, e.Transactions...)
		}
		if diff := cmp.Diff(txs, read); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestATooLargeTransactionIsRefusedBySize(t *testing.T) {
	r := run(t, Config{Memory: NewMemory(), Bootstrap: true})
	r.lead(t)
	errs := r.write(t, ref(1), sized(transactionMax), ref(2))
	if errs[0] != nil || errs[2] != nil || errs[1] == nil || !strings.Contains(errs[1].Error(), "is larger than 4M") {
		t.Errorf("got %v", errs)
	}
	if _, ok := r.store.Snapshot().Ref("refs/heads/000002"); !ok {
		t.Error("a transaction beside it is missing")
	}
}
