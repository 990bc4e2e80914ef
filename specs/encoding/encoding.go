// Package encoding turns the values of package specs into bytes and into the
// hashes made of those bytes.
//
// The form is deterministic CBOR (RFC 8949, core deterministic encoding): the
// same value gives the same bytes on every machine and in every release. Field
// names are the JSON names. Golden hashes in this package's tests freeze the
// encoding of released specs, so that an upgrade restarts nothing.
//
// There are two readers. Unmarshal is for Raft entries, snapshots and whatever
// else this node wrote itself: an unknown field is an error, because a state
// that is understood in part must not be acted on. UnmarshalMessage is for what
// other nodes send: unknown fields are ignored, so that releases can differ.
package encoding

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/fxamacker/cbor/v2"

	"github.com/swarmgit/swarmgit/specs"
)

var (
	writer  = must(writerOptions().EncMode())
	strict  = must(readerOptions(cbor.ExtraDecErrorUnknownField).DecMode())
	lenient = must(readerOptions(cbor.ExtraDecErrorNone).DecMode())
)

func writerOptions() cbor.EncOptions {
	o := cbor.CoreDetEncOptions()
	o.Time = cbor.TimeRFC3339NanoUTC
	o.NilContainers = cbor.NilContainerAsEmpty
	return o
}

func readerOptions(extra cbor.ExtraDecErrorCond) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		ExtraReturnErrors: extra,
		MaxArrayElements:  1 << 24,
		MaxMapPairs:       1 << 24,
		// What a program or a node wrote in its message may be no UTF-8. It was
		// agreed on before it is read, so it must be readable.
		UTF8: cbor.UTF8DecodeInvalid,
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Marshal writes v in its one form.
func Marshal(v any) ([]byte, error) { return writer.Marshal(v) }

// Unmarshal reads state that a swarmgit wrote; an unknown field is an error.
func Unmarshal(data []byte, v any) error { return strict.Unmarshal(data, v) }

// UnmarshalMessage reads what another node sent; unknown fields are ignored.
func UnmarshalMessage(data []byte, v any) error { return lenient.Unmarshal(data, v) }

// Raw is a value that is encoded already; it is written as it stands and read
// without being looked into.
type Raw = cbor.RawMessage

// Encoder writes values one after the other.
type Encoder interface{ Encode(v any) error }

// Decoder reads values one after the other, and io.EOF after the last.
type Decoder interface{ Decode(v any) error }

// NewEncoder writes each value in its one form.
func NewEncoder(w io.Writer) Encoder { return writer.NewEncoder(w) }

// NewDecoder reads what an Encoder wrote, as Unmarshal does. It may read more
// from r than it decodes.
func NewDecoder(r io.Reader) Decoder { return strict.NewDecoder(r) }

// HashTaskSpec names a task spec by its content. The spec must be normalised.
func HashTaskSpec(s specs.TaskSpec) specs.Hash { return hash(s) }

func hash(v any) specs.Hash {
	data, err := Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // plain values always encode
	}
	sum := sha256.Sum256(data)
	return specs.Hash(hex.EncodeToString(sum[:]))
}
