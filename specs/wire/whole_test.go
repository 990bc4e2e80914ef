package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// TestWholeBody writes messages as Connect does, and wants each in one piece, as
// far as a frame has room.
func TestWholeBody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const room = 64
		messages := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 3*room)).Draw(t, "messages")
		var sent []byte
		frames := 0
		r, w := io.Pipe()
		go func() {
			for _, m := range messages {
				_, _ = w.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))))
				_, _ = w.Write(m)
			}
			_ = w.Close()
		}()
		for _, m := range messages {
			sent = append(append(sent, binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m)))...), m...)
			frames += max(1, (prefixBytes+len(m)+room-1)/room)
		}
		var got []byte
		p := make([]byte, room)
		for body := (&wholeBody{ReadCloser: r}); ; frames-- {
			n, err := body.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) || frames != 0 {
			t.Errorf("got %d bytes of %d, and %d frames less", len(got), len(sent), frames)
		}
	})
}

// TestWholeBodyEnds tells why a stream ends.
func TestWholeBodyEnds(t *testing.T) {
	body := wholeBody{ReadCloser: io.NopCloser(iotest.ErrReader(io.ErrClosedPipe))}
	if n, err := body.Read(make([]byte, 16)); n != 0 || err != io.ErrClosedPipe {
		t.Error(n, err)
	}
}
