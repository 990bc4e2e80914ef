package specs

import "regexp"

var secretName = regexp.MustCompile(`(?i)pass|secret|token|key|credential`)

// SecretName reports that a variable or key of that name may hold a secret, so
// that its value is never shown.
func SecretName(name string) bool { return secretName.MatchString(name) }
