package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// TestWhoShowsNoTokenIsNotWaitedFor has callers begin a request and not go on.
func TestWhoShowsNoTokenIsNotWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		path, token string
		patient     bool
	}{
		"nobody":         {path: string(GetStatus)},
		"a wrong token":  {path: string(GetStatus), token: "wrong"},
		"a webhook":      {path: WebhookPath + "prod"},
		"somebody":       {path: string(Plan), token: "right", patient: true},
		"not his to ask": {path: string(RotateCA), token: "right"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var served sync.WaitGroup
				defer served.Wait()
				defer cancel()
				pipe := wire.NewPipe()
				read := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
				guard := Guard(read, []string{"localhost"}, known(func(token string) specs.AccessToken {
					return map[string]specs.AccessToken{"right": {Role: specs.Admin}}[token]
				}))
				served.Go(func() { _ = wire.Serve(ctx, pipe, guard) })
				conn, err := pipe.Dial(ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				go io.Copy(io.Discard, conn)
				began := time.Now()
				_, _ = io.WriteString(conn, "POST "+c.path+" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+c.token+"\r\nContent-Length: 1000\r\n\r\n")
				for time.Since(began) < time.Hour {
					time.Sleep(10 * time.Second)
					if _, err := io.Copy(conn, strings.NewReader("x")); err != nil {
						break
					}
				}
				if took := time.Since(began); c.patient != (took >= time.Hour) {
					t.Errorf("it was waited for %v", took)
				}
			})
		})
	}
}
