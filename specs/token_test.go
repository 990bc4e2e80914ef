package specs

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestJoinTokenIsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := JoinToken{Secret: Hidden(ID([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "secret"))))}
		copy(token.Root[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root"))
		text := token.String()
		if len(text) != len("SWMTKN-1-")+50+1+25 {
			t.Errorf("%d characters: %s", len(text), text)
		}
		if got, err := ParseJoinToken(text + "\n"); err != nil || got != token {
			t.Errorf("%s is read as %v, %v", text, got.Root, err)
		}
	})
}

func TestWhatIsNoJoinToken(t *testing.T) {
	good := JoinToken{Root: sha256.Sum256([]byte("root")), Secret: "0123456789abcdefghijklmno"}.String()
	for name, text := range map[string]string{
		"nothing":       "",
		"a word":        "token",
		"cut":           good[:len(good)-1],
		"too long":      good + "1",
		"another kind":  strings.Replace(good, "-1-", "-2-", 1),
		"capitals":      strings.ToUpper(good),
		"no dash":       strings.Replace(good, "-0123", "x0123", 1),
		"too large":     "SWMTKN-1-" + strings.Repeat("z", 50) + "-0123456789abcdefghijklmno",
		"signs":         strings.Replace(good, "abc", "a+c", 1),
		"digest of -15": "SWMTKN-1-" + "-" + strings.Repeat("1", 49) + "-0123456789abcdefghijklmno",
	} {
		_, err := ParseJoinToken(text)
		if err == nil || !strings.Contains(err.Error(), "swarmgit join-token worker") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && len(text) > 20 && strings.Contains(err.Error(), text[len(text)-20:]) {
			t.Errorf("%s: the token is shown: %v", name, err)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	row := Authority{Worker: "wsecret", Root: RootCA{Key: "ksecret"}, Rotation: &Rotation{To: RootCA{Key: "rsecret"}}}
	for _, format := range []string{"%v", "%+v", "%#v"} {
		text := fmt.Sprintf(format, row) + fmt.Sprintf(format, *row.Rotation)
		if strings.Contains(text, "wsecret") || strings.Contains(text, "ksecret") || strings.Contains(text, "rsecret") {
			t.Errorf("%s: %s", format, text)
		}
	}
}
