package outside

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// unreachable says in words why no connection came about, and what to do. Other
// errors stay as they are.
func unreachable(err error) error {
	var (
		name    *net.DNSError
		dial    *net.OpError
		refused *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &name):
		return fmt.Errorf("the managers cannot look up the name %s (%s): check the address, and the name server of the manager that leads", name.Name, name.Err)
	case errors.As(err, &refused):
		return untrusted(refused.Err)
	case errors.Is(err, syscall.ECONNREFUSED) && errors.As(err, &dial):
		return fmt.Errorf("nothing listens at %v (connection refused): check the address and its port, and whether the server runs", dial.Addr)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%v cannot be reached from the manager that leads (%w): check the address, and what is between them", dial.Addr, dial.Err)
	}
	return err
}

// untrusted says why the certificate of a server is not believed.
func untrusted(err error) error {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &authority):
		return errors.New("its certificate is of an authority that the manager does not trust: " +
			"add that to the certificates of the system on every manager (update-ca-certificates), and restart their daemons")
	case errors.As(err, &host):
		return fmt.Errorf("its certificate is for another host: %w", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return errors.New("its certificate has run out or is not good yet: renew it there, or set the clock of this manager")
	}
	return fmt.Errorf("its certificate is not good: %w", err)
}
