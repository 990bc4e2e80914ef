package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/swarmgit/swarmgit/specs"
)

// Keys are what the cluster's key is used for here. The zero Keys are those of
// no cluster.
type Keys struct {
	identity, nonce []byte
	seal            cipher.AEAD
	age             []byte // sealed
}

// KeysOf derives the keys of a cluster.
func KeysOf(c specs.Cluster) Keys {
	derive := func(purpose string) []byte {
		key, err := hkdf.Key(sha256.New, c.Key, nil, "swarmgit "+purpose, sha256.Size)
		if err != nil {
			panic(err) // the length is ours, and right
		}
		return key
	}
	block, err := aes.NewCipher(derive("secret seal"))
	if err != nil {
		panic(err) // as above
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has GCM's block size
	}
	return Keys{identity: derive("secret identity"), nonce: derive("secret nonce"), seal: seal, age: c.AgeKey}
}

// Payload is the stored form of a secret's or a config's content. Equal content
// gives equal payloads. The version of a secret tells nothing of it to who has
// not the cluster's key; a config's is its SHA-256.
func (k Keys) Payload(kind specs.FileKind, content []byte) specs.Payload {
	if kind == specs.Config {
		sum := sha256.Sum256(content)
		return specs.Payload{Kind: kind, Version: specs.Hash(hex.EncodeToString(sum[:])), Data: content}
	}
	version := keyed(k.identity, content)
	return specs.Payload{Kind: kind, Version: specs.Hash(hex.EncodeToString(version)), Data: k.Seal(content)}
}

// Content is what the payload holds.
func (k Keys) Content(p specs.Payload) ([]byte, error) {
	if p.Kind == specs.Config {
		return p.Data, nil
	}
	content, err := k.Open(p.Data)
	if err != nil {
		return nil, fmt.Errorf("open version %s of a secret: %w", p.Version.Short(), err)
	}
	return content, nil
}

// Seal encrypts under a nonce that the content gives, so that equal contents
// look equal, and no nonce serves two of them.
func (k Keys) Seal(content []byte) []byte {
	nonce := keyed(k.nonce, content)[:k.seal.NonceSize()]
	return k.seal.Seal(nonce, nonce, content, nil)
}

// Open gives back what Seal encrypted. Its error goes on after what was to be opened.
func (k Keys) Open(sealed []byte) ([]byte, error) {
	n := k.seal.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("it is cut off")
	}
	content, err := k.seal.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil {
		return nil, errors.New("it was sealed under another key, or is damaged")
	}
	return content, nil
}

func keyed(key, content []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(content)
	return mac.Sum(nil)
}

// NewAgeKey draws a key for what people encrypt, in its stored form: for
// specs.Cluster.AgeKey.
func (k Keys) NewAgeKey() ([]byte, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("draw an age key: %w", err)
	}
	return k.Seal([]byte(identity.String())), nil
}

// Recipient is the public half of the cluster's age key, "age1...". It is empty
// as long as there is none.
func (k Keys) Recipient() (string, error) {
	if len(k.age) == 0 {
		return "", nil
	}
	identity, err := k.ageIdentity()
	if err != nil {
		return "", err
	}
	return identity.Recipient().String(), nil
}

func (k Keys) ageIdentity() (*age.X25519Identity, error) {
	text, err := k.Open(k.age)
	if err != nil {
		return nil, fmt.Errorf("open the cluster's age key: %w", err)
	}
	return age.ParseX25519Identity(string(text))
}

// decrypt opens a file that was encrypted for the cluster by age, binary or
// armored. It reads one byte more than limit at most.
func (k Keys) decrypt(file []byte, limit int64) ([]byte, error) {
	if len(k.age) == 0 {
		return nil, errors.New("cannot be read: the cluster has no age key yet: swarmgit age-key makes one; encrypt the file for that")
	}
	identity, err := k.ageIdentity()
	if err != nil {
		return nil, err
	}
	var in io.Reader = bytes.NewReader(file)
	if bytes.HasPrefix(file, []byte(armor.Header)) {
		in = armor.NewReader(in)
	}
	out, err := age.Decrypt(in, identity)
	var stranger *age.NoIdentityMatchError
	switch {
	case errors.As(err, &stranger):
		return nil, errors.New("is not encrypted for this cluster: encrypt it for what swarmgit age-key prints")
	case err != nil:
		return nil, fmt.Errorf("cannot be decrypted: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(out, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be decrypted: %w", err)
	}
	return content, nil
}
