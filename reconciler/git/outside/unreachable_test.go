package outside

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestUnreachable(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 443}, Err: err}
	}
	certificate := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	other := errors.New("EOF")
	for _, c := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "git.example"}},
			"the managers cannot look up the name git.example (no such host): check the address, and the name server of the manager that leads"},
		{dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
			"nothing listens at 192.0.2.7:443 (connection refused): check the address and its port, and whether the server runs"},
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
			"192.0.2.7:443 cannot be reached from the manager that leads (connect: no route to host): check the address, and what is between them"},
		{dial(os.ErrDeadlineExceeded),
			"192.0.2.7:443 cannot be reached from the manager that leads (i/o timeout): check the address, and what is between them"},
		{certificate(x509.UnknownAuthorityError{}),
			"its certificate is of an authority that the manager does not trust: add that to the certificates of the system on every manager (update-ca-certificates), and restart their daemons"},
		{certificate(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a.example"}}, Host: "b.example"}),
			"its certificate is for another host: x509: certificate is valid for a.example, not b.example"},
		{certificate(x509.CertificateInvalidError{Cert: &x509.Certificate{NotAfter: time.Unix(0, 0)}, Reason: x509.Expired}),
			"its certificate has run out or is not good yet: renew it there, or set the clock of this manager"},
		{other, "EOF"},
	} {
		if got := unreachable(c.err).Error(); got != c.want {
			t.Errorf("%v\n got %s\nwant %s", c.err, got, c.want)
		}
	}
}
