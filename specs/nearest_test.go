package specs

import "testing"

func TestNearest(t *testing.T) {
	words := []string{"image", "volumes", "update_config", "cap_add", "tty", "user"}
	for word, want := range map[string]string{
		"imag": "image", "Image": "image", "iamge": "image", "update-config": "update_config", "updateconfig": "update_config",
		"volume": "volumes", "cap_ad": "cap_add", "uesr": "user", "x": "", "healthcheck": "", "tyt": "tty",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

func TestNearestIsTheSameEachTime(t *testing.T) {
	for _, words := range [][]string{{"web.1", "web.2"}, {"web.2", "web.1"}} {
		if got := Nearest("web.9", words); got != "web.1" {
			t.Errorf("of %q it is %q", words, got)
		}
	}
}
