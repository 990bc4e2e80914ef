package containerd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// blob is an answer that comes in so many pieces, and then does not go on.
type blob struct {
	ctx    context.Context
	pieces int
}

func (b *blob) RoundTrip(r *http.Request) (*http.Response, error) {
	b.ctx = r.Context()
	return &http.Response{StatusCode: http.StatusOK, Body: b}, nil
}

func (b *blob) Read(p []byte) (int, error) {
	if b.pieces--; b.pieces < 0 {
		<-b.ctx.Done()
		return 0, b.ctx.Err()
	}
	return copy(p, "piece"), nil
}

func (*blob) Close() error { return nil }

// A registry that does not go on is given up, but not one whose reader takes its time.
func TestASilentRegistryIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: &blob{pieces: 3}}
		if err := errors.Join(beImpatient(client), beImpatient(client)); err != nil {
			t.Fatal(err)
		}
		reply, err := client.Get("https://registry.example/v2/web/blobs/1")
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Body.Close()
		began := time.Now()
		for range 3 {
			if _, err := io.ReadFull(reply.Body, make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour) // the disk is slow
		}
		_, err = reply.Body.Read(make([]byte, 5))
		if took := time.Since(began); took != 3*time.Hour+registrySilence || !errors.As(err, new(silence)) {
			t.Errorf("after %s: %v", took, err)
		}
		want := `image registry.example/web:1: not on the node, and the registry registry.example has said nothing for 5m0s: load it there with "swarmgit image load", or correct the name`
		if got := pullFailure(t.Context(), "registry.example/web:1", err).Error(); got != want {
			t.Errorf("it is told: %s", got)
		}
	})
}
