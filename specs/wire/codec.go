package wire

import (
	"encoding/json"

	"connectrpc.com/connect"

	"github.com/swarmgit/swarmgit/specs/encoding"
)

// maxMessageBytes bounds one message. The largest are the trees that a person
// asks a plan for and the first assignment set of a node with very many tasks.
const maxMessageBytes = 64 << 20

// codec writes and reads plain structs under a name of Connect's.
type codec struct {
	name      string
	marshal   func(any) ([]byte, error)
	unmarshal func([]byte, any) error
}

var (
	cborCodec = codec{"cbor", encoding.Marshal, encoding.UnmarshalMessage}
	jsonCodec = codec{"json", json.Marshal, unmarshalJSON}
	// jsonUTF8Codec is what browsers call the same thing.
	jsonUTF8Codec = codec{"json; charset=utf-8", json.Marshal, unmarshalJSON}
)

func (c codec) Name() string                       { return c.name }
func (c codec) Marshal(v any) ([]byte, error)      { return c.marshal(v) }
func (c codec) Unmarshal(data []byte, v any) error { return c.unmarshal(data, v) }

var _ connect.Codec = codec{}

// unmarshalJSON takes an empty body for an empty message: `curl -X POST`
// without data asks as well as `--json '{}'`.
func unmarshalJSON(data []byte, v any) error {
	if len(data) == 0 {
		return nil
	}
	return json.Unmarshal(data, v)
}

// Messages are small or travel inside one machine or one rack: compression
// would cost more than it saves.
func handlerOptions() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithCodec(cborCodec), connect.WithCodec(jsonCodec), connect.WithCodec(jsonUTF8Codec),
		connect.WithCompression("gzip", nil, nil),
		connect.WithReadMaxBytes(maxMessageBytes),
	}
}

func clientOptions(c codec) []connect.ClientOption {
	return []connect.ClientOption{
		connect.WithCodec(c),
		connect.WithAcceptCompression("gzip", nil, nil),
		connect.WithReadMaxBytes(maxMessageBytes),
	}
}
