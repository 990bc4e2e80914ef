package reconciler

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"

	"github.com/swarmgit/swarmgit/reconciler/api"
	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
)

// maxHook is how much of a webhook's body is read; forges send less than 100 kB.
const maxHook = 5 << 20

// webhook has a source looked at soon when it is told so with a valid signature.
// Nothing else in the call counts, and the answer tells nothing: not whether
// there is such a source, nor what is found. A call that is played again is but
// another look.
func (m *Manager) webhook(w http.ResponseWriter, r *http.Request) {
	source, _ := m.store.Snapshot().Source(r.PathValue("name"))
	if !signed(r.Header, http.MaxBytesReader(w, r.Body, maxHook), source.Webhook) {
		http.Error(w, "swarmgit: no webhook takes this: see \"swarmgit source webhook\"", http.StatusForbidden)
		return
	}
	if one, follows := m.followers.of(source.Name); follows {
		one.hint()
	}
	w.WriteHeader(http.StatusAccepted)
}

// hint has the source looked at soon.
func (f *follower) hint() {
	select {
	case f.hints <- struct{}{}:
	default: // it is told already
	}
}

// signatureHeaders are where forges put the HMAC-SHA256 of the body, in hex:
// GitHub, Gitea and Forgejo write the first, after "sha256=".
var signatureHeaders = []string{"X-Hub-Signature-256", "X-Gitea-Signature", "X-Signature-256"}

// signed reports whether one of the headers holds the body's signature. It keeps
// nothing of the body, as anybody may send one.
func signed(header http.Header, body io.Reader, key specs.Hidden) bool {
	mac := hmac.New(sha256.New, []byte(key))
	if _, err := io.Copy(mac, body); err != nil || key == "" {
		return false
	}
	want := mac.Sum(nil)
	for _, name := range signatureHeaders {
		given, err := hex.DecodeString(strings.TrimPrefix(header.Get(name), "sha256="))
		if err == nil && hmac.Equal(given, want) {
			return true
		}
	}
	return false
}

// Webhook is where to call for a source, and the key to sign with.
func (s sources) Webhook(ctx context.Context, name string, rotate bool) (api.WebhookReply, error) {
	var key specs.Hidden
	err := s.alter(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		source, err := s.source(snap, name)
		key = source.Webhook
		if err != nil || !rotate {
			return nil, err
		}
		key = newWebhookKey()
		source.Webhook = key
		return specs.Transaction{{Source: specs.Set(name, source.Version, source)}}, nil
	})
	return api.WebhookReply{URL: "http://" + s.cfg.HTTP + api.WebhookPath + name, Key: string(key)}, err
}
