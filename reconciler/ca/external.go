package ca

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/specs/wire"
)

const (
	// signPath is the procedure of the CFSSL API that signs.
	signPath = "/api/v1/cfssl/sign"
	// signTimeout is how long one external authority may take.
	signTimeout = 5 * time.Second
	// maxAnswer bounds what an external authority may answer, in bytes.
	maxAnswer = 1 << 20
)

// Show gives the certificate that is shown to an external authority; nil shows
// none, as before the cluster has its first.
type Show func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

// signRequest is what CFSSL is asked. How long the certificate is good is not
// for us to say: the server's configuration does.
type signRequest struct {
	Hosts   []string    `json:"hosts"`
	CSR     string      `json:"certificate_request"`
	Subject signSubject `json:"subject"`
}

type signSubject struct {
	CN    string     `json:"CN"`
	Names []signName `json:"names"`
}

type signName struct {
	O  string `json:"O"`
	OU string `json:"OU"`
}

type signAnswer struct {
	Success bool `json:"success"`
	Result  struct {
		Certificate string `json:"certificate"`
	} `json:"result"`
	Errors []struct {
		Message string `json:"message"`
	} `json:"errors"`
}

// askExternal has the first of the signer's external authorities sign that does.
func (s signer) askExternal(ctx context.Context, request *x509.CertificateRequest, id wire.Identity, show Show) ([]byte, error) {
	body, err := json.Marshal(signRequest{
		Hosts:   []string{wire.RoleName(id.Role)},
		CSR:     string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request.Raw})),
		Subject: signSubject{CN: id.NodeID, Names: []signName{{O: id.ClusterID, OU: wire.RoleName(id.Role)}}},
	})
	if err != nil {
		return nil, err
	}
	client := s.client(show)
	defer client.CloseIdleConnections()
	var failures []error
	for _, target := range s.external {
		cert, err := askOne(ctx, client, target, body)
		if err == nil {
			return cert, nil
		}
		failures = append(failures, fmt.Errorf("ask the external authority: %w", err))
	}
	return nil, wire.Errorf(wire.Unavailable, "%w", errors.Join(failures...))
}

// client trusts what this machine trusts, and the root that the authority signs
// for. It shows this manager's certificate and the address's password to nobody but
// who was named.
func (s signer) client(show Show) *http.Client {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a machine without any
	}
	roots.AppendCertsFromPEM([]byte(s.root.Cert))
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, GetClientCertificate: show}
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment}, Timeout: signTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// askOne asks one authority.
func askOne(ctx context.Context, client *http.Client, target string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(target, "/")+signPath, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL.Redacted(), err)
	}
	var answer signAnswer
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("%s answered %s and no JSON: is it a CFSSL server?", request.URL.Redacted(), response.Status)
	}
	if !answer.Success || response.StatusCode != http.StatusOK {
		words := response.Status
		for _, e := range answer.Errors {
			words += ": " + e.Message
		}
		return nil, fmt.Errorf("%s refused to sign: %s", request.URL.Redacted(), words)
	}
	cert, err := parseCert(answer.Result.Certificate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL.Redacted(), err)
	}
	return cert.Raw, nil
}

// checkExternal refuses addresses that no authority can be asked at.
func checkExternal(urls []string) error {
	for _, text := range urls {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "":
			return fmt.Errorf("the external authority %q is no address: give one like https://ca.example.com:8888", text)
		case u.Scheme != "https":
			return fmt.Errorf("the external authority %q is not asked by https: it must be", u.Redacted())
		}
	}
	return nil
}
