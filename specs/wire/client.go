package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"connectrpc.com/connect"
)

// Client calls procedures of one other process. It is safe for concurrent use;
// all calls share one connection, which is opened when needed.
type Client struct {
	http    *http.Client
	base    string
	options []connect.ClientOption
}

// Dial opens a connection to the other process.
type Dial func(ctx context.Context) (net.Conn, error)

// NewClient returns a client that speaks CBOR, as nodes do.
func NewClient(dial Dial) *Client { return newClient(dial, cborCodec) }

// NewJSONClient returns a client that speaks JSON, as people do.
func NewJSONClient(dial Dial) *Client { return newClient(dial, jsonCodec) }

// ClientOver returns a client that speaks CBOR over one connection. Calls fail
// once it has ended. Who opened it closes it.
func ClientOver(conn net.Conn) *Client {
	transport := Transport(func(context.Context, string) (net.Conn, error) { return conn, nil })
	return clientBy(&over{transport: transport}, cborCodec)
}

func newClient(dial Dial, c codec) *Client {
	return clientBy(Transport(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }), c)
}

// clientBy is a client whose carrier knows where to go: the host is a name for the
// Host header.
func clientBy(by carrier, c codec) *Client {
	return &Client{http: &http.Client{Transport: whole{by}}, base: "http://swarmgit", options: clientOptions(c)}
}

// carrier is what an http.Transport does for a client.
type carrier interface {
	http.RoundTripper
	CloseIdleConnections()
}

// over carries requests over one connection. A Transport alone does not: it keeps
// a connection for others only after it has handed it to the request that it was
// opened for, so one that comes right after that would ask for another.
type over struct {
	transport *http.Transport
	opened    sync.Once
	conn      *http.ClientConn
	err       error
}

func (o *over) RoundTrip(r *http.Request) (*http.Response, error) {
	o.opened.Do(func() {
		o.conn, o.err = o.transport.NewClientConn(context.WithoutCancel(r.Context()), "http", r.URL.Host+":80")
	})
	if o.err != nil {
		return nil, o.err
	}
	if o.conn.Err() != nil {
		return nil, Errorf(Unavailable, "the connection has ended")
	}
	return o.conn.RoundTrip(r)
}

// CloseIdleConnections leaves the connection to who opened it.
func (o *over) CloseIdleConnections() {}

// NewHTTPClient returns a client that speaks JSON to the port of people at base,
// "http://127.0.0.1:2378" or "https://...", and shows a token of the cluster. It
// goes the way that the environment says of proxies.
func NewHTTPClient(base, token string) *Client {
	calls := http.DefaultTransport.(*http.Transport).Clone()
	dialogues := calls.Clone()
	dialogues.Protocols = new(http.Protocols)
	dialogues.Protocols.SetHTTP2(true)
	dialogues.Protocols.SetUnencryptedHTTP2(true)
	return &Client{base: base, options: clientOptions(jsonCodec), http: &http.Client{
		Transport:     bearer{base, token, calls, dialogues},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token is for base
	}}
}

// bearer shows a token with each request.
type bearer struct {
	base, token string
	calls       *http.Transport
	dialogues   *http.Transport // over HTTP/2 in any case: over HTTP/1 nobody hears while he speaks
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	transport := b.calls
	if r.ContentLength < 0 { // who asks has more to say later
		transport = b.dialogues
	}
	reply, err := transport.RoundTrip(r)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		err = fmt.Errorf("no daemon answers at %s: %w: start one there, or name another with --host", b.base, dial.Err)
	}
	return reply, err
}

// CloseIdleConnections closes what no request uses.
func (b bearer) CloseIdleConnections() {
	b.calls.CloseIdleConnections()
	b.dialogues.CloseIdleConnections()
}

// Transport carries requests to other processes, by the connections that dial
// opens to the hosts of their URLs. It keeps them, one for all requests to a host.
func Transport(dial func(ctx context.Context, host string) (net.Conn, error)) *http.Transport {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	return &http.Transport{
		Protocols:          &h2c,
		HTTP2:              watchful(),
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			host, _, _ := net.SplitHostPort(addr) // the transport has put the port there
			return dial(ctx, host)
		},
	}
}

// OwnConnections carries as a Transport does, but each request over a connection of
// its own, which ends with the answer. A Transport without keep-alives does not: of
// connections that are opened at the same time it closes some, and loses requests
// over that.
func OwnConnections(dial func(ctx context.Context, host string) (net.Conn, error)) http.RoundTripper {
	transport := Transport(dial)
	transport.DisableKeepAlives = true
	return alone{transport}
}

type alone struct{ transport *http.Transport }

func (a alone) RoundTrip(r *http.Request) (*http.Response, error) {
	conn, err := a.transport.NewClientConn(r.Context(), "http", r.URL.Host+":80")
	if err != nil {
		return nil, err
	}
	reply, err := conn.RoundTrip(r)
	if err != nil {
		_ = conn.Close() // it has done what it can
	}
	return reply, err
}

// Close closes the connection once no call uses it.
func (c *Client) Close() { c.http.CloseIdleConnections() }
