package api

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// The media types of answers that are made of frames, and of what asks for one.
const (
	pushRequest = "application/x-git-receive-pack-request"
	pushResult  = "application/x-git-receive-pack-result"
	streamReply = "application/connect+json"
)

// frames is how an answer is cut into pieces, each with its length in front, and
// the pieces that end it in words.
type frames struct {
	head   int                                   // bytes before each piece
	length func(head []byte) (rest int, ok bool) // of the piece after its head
	end    func(why *end) []byte
}

// pushFrames are git's packets. Their own four hexadecimal digits count. The last
// ones end the answer without a report, which git takes for an error; with no end
// it would wait.
var pushFrames = frames{head: 4, length: packetLength, end: func(why *end) []byte {
	return lastPacket("\nswarmgit: " + why.unknown() + ":\nsee \"swarmgit revisions\"; pushing again is safe\n")
}}

// lastPacket is text, and the end.
func lastPacket(text string) []byte { return append(progress(text), "0000"...) }

// progress is text as git's side-band 2 carries it.
func progress(text string) []byte { return fmt.Appendf(nil, "%04x\x02%s", len(text)+5, text) }

func packetLength(head []byte) (int, bool) {
	n, err := strconv.ParseUint(string(head), 16, 16)
	return max(int(n)-len(head), 0), err == nil
}

// streamFrames are Connect's envelopes: a byte of flags, and the length in four.
// The last one has the flag that ends a stream.
var streamFrames = frames{head: 5, length: envelopeLength, end: endOfStream}

func envelopeLength(head []byte) (int, bool) { return int(binary.BigEndian.Uint32(head[1:])), true }

func endOfStream(why *end) []byte {
	last, _ := json.Marshal(map[string]any{"error": map[string]string{"code": why.kind.String(), "message": why.words()}}) // strings always can
	return append(binary.BigEndian.AppendUint32([]byte{2}, uint32(len(last))), last...)
}

// finish has an answer that breaks off between two frames end in words.
func finish(r *http.Response) error {
	ctx := r.Request.Context()
	if r.Header.Get(notBegunHeader) != "" {
		return errNotBegun
	}
	why := func() *end { return endedBy(ctx) }
	switch r.Header.Get("Content-Type") {
	case pushResult:
		r.Body = &finished{ReadCloser: r.Body, frames: pushFrames, why: why}
	case streamReply:
		r.Body = &finished{ReadCloser: r.Body, frames: streamFrames, why: why}
	}
	r.Body = &answered{r.Body, leaderOf(ctx).end}
	return nil
}

// answered ends the request once its answer has. Who was refused may send no more
// of a request and wait for the end, which would else wait for that.
type answered struct {
	io.ReadCloser
	end func()
}

func (a *answered) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil {
		a.end()
	}
	return n, err
}

// finished is an answer of frames. Who reads it would else learn no more than
// that the connection is gone.
type finished struct {
	io.ReadCloser
	frames
	why   func() *end
	begun []byte // of the head that is not complete
	rest  int    // bytes of the frame that are still to come; negative: these are no frames
	cut   bool   // only the last frames are still to be read
	last  []byte // these
}

func (f *finished) Read(p []byte) (int, error) {
	if !f.cut {
		n, err := f.ReadCloser.Read(p)
		f.follow(p[:n])
		if err == nil || err == io.EOF || len(f.begun) > 0 || f.rest != 0 {
			return n, err
		}
		why := f.why()
		if why == nil {
			return n, err
		}
		if f.cut, f.last = true, f.end(why); n > 0 {
			return n, nil
		}
	}
	if len(f.last) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.last)
	f.last = f.last[n:]
	return n, nil
}

// follow keeps count of where in a frame the answer is.
func (f *finished) follow(data []byte) {
	for len(data) > 0 && f.rest >= 0 {
		if f.rest > 0 {
			n := min(f.rest, len(data))
			f.rest, data = f.rest-n, data[n:]
			continue
		}
		n := min(f.head-len(f.begun), len(data))
		f.begun, data = append(f.begun, data[:n]...), data[n:]
		if len(f.begun) < f.head {
			return
		}
		rest, ok := f.length(f.begun)
		if f.rest = rest; !ok {
			f.rest = -1 // it is passed on as it is
		}
		f.begun = f.begun[:0]
	}
}
