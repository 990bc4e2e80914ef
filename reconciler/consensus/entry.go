package consensus

import (
	"bytes"
	"fmt"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

// The sizes of entries. A full entry is large enough that the cost of an entry
// does not matter, and small enough that one does not hold up heartbeats. A
// transaction is never cut, so one larger than entryMax has an entry for
// itself.
const (
	entryFull      = 64 << 10
	entryMax       = 256 << 10
	transactionMax = 4 << 20
)

// entry is the body of a log entry.
type entry struct {
	At           time.Time           `json:"at"` // the proposer's Now
	Transactions []specs.Transaction `json:"transactions"`
}

// rawEntry writes what entry reads; each transaction is encoded once, when it
// is measured.
type rawEntry struct {
	At           time.Time      `json:"at"`
	Transactions []encoding.Raw `json:"transactions"`
}

// batch is one entry to be, and which transactions of the proposal it holds.
type batch struct {
	txs   []encoding.Raw
	from  []int
	bytes int
}

func (b batch) encode(format int, at time.Time) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(b.bytes + 64)
	enc := encoding.NewEncoder(&buf)
	if err := enc.Encode(format); err != nil {
		return nil, err
	}
	if err := enc.Encode(rawEntry{At: at, Transactions: b.txs}); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func decodeEntry(data []byte) (e entry, err error) {
	dec := encoding.NewDecoder(bytes.NewReader(data))
	if err := readFormat(dec); err != nil {
		return e, err
	}
	if err := dec.Decode(&e); err != nil {
		return e, fmt.Errorf("read the entry's transactions: %w", err)
	}
	return e, nil
}

func readFormat(dec encoding.Decoder) error {
	got := 0
	if err := dec.Decode(&got); err != nil {
		return fmt.Errorf("read the format number: %w", err)
	}
	if got < 1 || got > Newest {
		return fmt.Errorf("it has format %d and this swarmgit reads %d: run the release that wrote it", got, Newest)
	}
	return nil
}

// pack encodes the transactions and puts them, in order, into batches. errs has
// an error for each transaction that is too large; the others are packed.
func pack(txs []specs.Transaction) (batches []batch, errs []error, err error) {
	errs = make([]error, len(txs))
	var b batch
	for i, tx := range txs {
		raw, err := encoding.Marshal(tx)
		if err != nil {
			return nil, nil, fmt.Errorf("encode transaction %d: %w", i+1, err)
		}
		if len(raw) > transactionMax {
			errs[i] = fmt.Errorf("a transaction of %s is larger than %s: cut it", specs.Bytes(len(raw)), specs.Bytes(transactionMax))
			continue
		}
		if b.bytes > 0 && b.bytes+len(raw) > entryMax {
			batches, b = append(batches, b), batch{}
		}
		b.txs, b.from, b.bytes = append(b.txs, raw), append(b.from, i), b.bytes+len(raw)
		if b.bytes >= entryFull {
			batches, b = append(batches, b), batch{}
		}
	}
	if len(b.txs) > 0 {
		batches = append(batches, b)
	}
	return batches, errs, nil
}
