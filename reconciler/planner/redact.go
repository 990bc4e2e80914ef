package planner

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

var (
	// userInfo is what stands between :// and @ in a URL. It takes too much
	// rather than too little: a password may hold an unescaped slash or @.
	userInfo = regexp.MustCompile(`://(?:[^\s/]*:\S*|[^\s/]+)@`)

	// hash is what a hidden value looks like as a whole.
	hash = regexp.MustCompile(`^\((?:[0-9a-f]+|hidden|changed)\)$`)
)

func hidden(value string) bool { return hash.MatchString(value) }

// redactor hides secrets behind short hashes under a key of the cluster, so that
// people see whether a secret changed and nobody can guess it from the hash.
// Without a key it says only that something is hidden.
type redactor struct{ key []byte }

// hashLengths are the lengths to try, in hex digits: the second when two
// different secrets look alike in the first.
var hashLengths = []int{4, 16}

// pair hides what is secret in the old and the new value of a field. Different
// values stay different; an absent value stays absent.
func (r redactor) pair(l leaf, old, new string) (string, string) {
	for _, length := range hashLengths {
		o, n := r.hide(l, old, length), r.hide(l, new, length)
		if o != n || old == new || len(r.key) == 0 {
			return o, n
		}
	}
	return "(hidden)", "(changed)"
}

// secret stands for a value of which nothing may be shown.
var secret = leaf{env: true, name: "secret"}

func (r redactor) hide(l leaf, value string, length int) string {
	if value == "" {
		return ""
	}
	if l.env && specs.SecretName(l.name) {
		return r.hash(value, length)
	}
	return userInfo.ReplaceAllStringFunc(value, func(match string) string {
		return "://" + r.hash(match, length) + "@"
	})
}

func (r redactor) hash(value string, length int) string {
	if len(r.key) == 0 {
		return "(hidden)"
	}
	return "(" + keyed(r.key, "plan", value)[:length] + ")"
}

// keyed is a hash that only who has the key can try values for, another one for
// each use.
func keyed(key []byte, use, value string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("swarmgit " + use + "\x00" + value))
	return hex.EncodeToString(mac.Sum(nil))
}

// RedactHash is the hash of a task spec as people may see it: the same hashes stay
// the same, and none of them lets anybody try out what Redact hides. Without a key
// it is empty.
func RedactHash(h specs.Hash, key []byte) specs.Hash {
	if h == "" || len(key) == 0 {
		return ""
	}
	return specs.Hash(keyed(key, "task spec", string(h)))
}

// Redact is the spec as people may see it: what is secret in it is hidden behind
// the same hashes that a plan shows. The spec itself stays as it is.
func Redact(spec specs.TaskSpec, key []byte) specs.TaskSpec {
	r := redactor{key}
	texts := func(list []string) []string {
		shown := slices.Clone(list)
		for i, text := range shown {
			shown[i] = r.hide(leaf{}, text, hashLengths[0])
		}
		return shown
	}
	spec.Command, spec.Entrypoint = texts(spec.Command), texts(spec.Entrypoint)
	spec.Labels = maps.Clone(spec.Labels)
	for name, value := range spec.Labels {
		spec.Labels[name] = r.hide(leaf{}, value, hashLengths[0])
	}
	if spec.Healthcheck != nil {
		check := *spec.Healthcheck
		check.Test = texts(check.Test)
		spec.Healthcheck = &check
	}
	spec.Env = slices.Clone(spec.Env)
	for i, entry := range spec.Env {
		name, value, _ := strings.Cut(entry, "=")
		spec.Env[i] = name + "=" + r.hide(leaf{env: true, name: name}, value, hashLengths[0])
	}
	return spec
}
