package outside

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/git"
	"github.com/swarmgit/swarmgit/reconciler/git/pktline"
	"github.com/swarmgit/swarmgit/specs"
)

const (
	dialLimit   = 10 * time.Second // for TCP, and again for TLS
	headerLimit = 30 * time.Second // until a server begins to answer
	// maxRedirects is how often one address may lead to another.
	maxRedirects = 3
)

// web is upload-pack over smart HTTP: one request for the refs, one for a pack.
type web struct {
	ctx        context.Context // of the conversation
	client     *http.Client
	base       *url.URL // after redirects
	credential specs.Credential
	body       io.ReadCloser // of the last response
	in         io.Reader
}

func overHTTP(ctx context.Context, u *url.URL, c specs.Credential) (conversation, error) {
	w := &web{ctx: ctx, base: u, credential: c, client: &http.Client{
		CheckRedirect: redirect,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: dialLimit}).DialContext,
			TLSHandshakeTimeout: dialLimit, ResponseHeaderTimeout: headerLimit,
			DisableKeepAlives: true, // a conversation is two requests a minute apart
		},
	}}
	answer, err := w.do(http.MethodGet, "/info/refs?service=git-upload-pack", "", nil)
	if err != nil {
		return nil, err
	}
	if answer.Header.Get("Content-Type") != "application/x-git-upload-pack-advertisement" {
		_ = w.Close() // nothing of it is wanted
		return nil, errors.New("no Git repository answers there, but a web page: check the address")
	}
	w.base = answer.Request.URL
	w.base.Path, w.base.RawPath = strings.TrimSuffix(w.base.Path, "/info/refs"), strings.TrimSuffix(w.base.RawPath, "/info/refs")
	w.base.RawQuery = ""
	return w, w.skipService()
}

// redirect follows what stays on the host and the scheme. Elsewhere the
// credentials would go with it, and net/http would not keep all of them back.
func redirect(next *http.Request, before []*http.Request) error {
	from := before[0].URL
	switch {
	case next.URL.Host != from.Host || next.URL.Scheme != from.Scheme:
		next.URL.RawQuery, next.URL.User = "", nil
		to := strings.TrimSuffix(next.URL.String(), "/info/refs")
		return fmt.Errorf("it leads to another host, where nothing is sent: if %s is right, give that address", printable(to))
	case len(before) > maxRedirects:
		return errors.New("it leads from one address to the next without end")
	}
	return nil
}

func (w *web) do(method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(w.ctx, method, strings.TrimSuffix(w.base.String(), "/")+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "git/swarmgit") // some servers serve Git to agents that begin so only
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if w.credential.Secret != "" {
		user := w.credential.User
		if user == "" {
			user = "git"
		}
		req.SetBasicAuth(user, string(w.credential.Secret))
	}
	answer, err := w.client.Do(req)
	var failed *url.Error
	if errors.As(err, &failed) {
		return nil, unreachable(failed.Err) // without the address, which is told beside it
	}
	if err != nil {
		return nil, err
	}
	w.body, w.in = answer.Body, answer.Body
	if answer.StatusCode != http.StatusOK {
		_ = w.Close() // nothing of it is wanted
		return nil, w.refusal(answer.StatusCode)
	}
	return answer, nil
}

func (w *web) refusal(status int) error {
	switch {
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && w.credential.Secret == "":
		return errors.New("it asks for credentials: give --token-file")
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("it refuses the credentials (status %d): has the token run out, or may it not read this repository?", status)
	case status == http.StatusNotFound && w.credential.Secret == "":
		return errors.New("there is no such repository, or it is private: check the address, or give --token-file")
	case status == http.StatusNotFound:
		return errors.New("there is no such repository, or the token may not read it")
	case status == http.StatusTooManyRequests:
		return errors.New("it asks for fewer requests (status 429): take a longer --interval")
	}
	return fmt.Errorf("it answers with status %d, %s", status, http.StatusText(status))
}

// skipService reads "# service=git-upload-pack" and the flush after it.
func (w *web) skipService() error {
	in := bufio.NewReader(w.body)
	line, _, err := pktline.Read(in)
	if err == nil && strings.HasPrefix(line, "# service=") {
		_, _, err = pktline.Read(in)
	}
	if err != nil {
		_ = w.Close() // which has failed already
		return fmt.Errorf("no Git repository answers there: %w", err)
	}
	w.in = in
	return nil
}

func (w *web) Read(p []byte) (int, error) { return w.in.Read(p) }

func (w *web) ask(request string) error {
	_ = w.Close() // the refs have been read
	_, err := w.do(http.MethodPost, "/git-upload-pack", "application/x-git-upload-pack-request", strings.NewReader(request))
	return err
}

func (w *web) explain(err error) error { return err }

func (w *web) Close() error { return w.body.Close() }

// printable is text of the other side that cannot steer a terminal.
func printable(text string) string {
	const shown = 300
	text = git.Printable(strings.TrimSpace(text))
	return strings.ToValidUTF8(text[:min(len(text), shown)], "")
}
