package secrets

import (
	"bytes"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"pgregory.net/rapid"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/encoding"
)

func cluster(t *testing.T, key string) specs.Cluster {
	t.Helper()
	c := specs.Cluster{ID: "c", Name: "test", Key: []byte(key)}
	var err error
	if c.AgeKey, err = KeysOf(c).NewAgeKey(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSealed(t *testing.T) {
	ours, theirs := KeysOf(specs.Cluster{Key: []byte("ours")}), KeysOf(specs.Cluster{Key: []byte("theirs")})
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "content")
		p := ours.Payload(specs.Secret, content)
		if again := ours.Payload(specs.Secret, content); again.Version != p.Version || !bytes.Equal(again.Data, p.Data) {
			t.Fatal("the same content has two stored forms")
		}
		if len(content) > 3 && bytes.Contains(p.Data, content) {
			t.Fatal("the content can be read")
		}
		if opened, err := ours.Content(p); err != nil || !bytes.Equal(opened, content) {
			t.Fatalf("opened %x, %v", opened, err)
		}
		if _, err := theirs.Content(p); err == nil {
			t.Fatal("another cluster opens it")
		}
		if theirs.Payload(specs.Secret, content).Version == p.Version || ours.Payload(specs.Config, content).Version == p.Version {
			t.Fatal("the version can be guessed from the content")
		}
		at := rapid.IntRange(0, len(p.Data)-1).Draw(t, "damage")
		p.Data = bytes.Clone(p.Data)
		p.Data[at] ^= 1
		if _, err := ours.Content(p); err == nil {
			t.Fatal("a damaged secret is opened")
		}
		p.Data = p.Data[:at]
		if _, err := ours.Content(p); err == nil {
			t.Fatal("a secret that is cut off is opened")
		}
	})
}

func encrypted(t *testing.T, recipient age.Recipient, armored bool, content string) []byte {
	t.Helper()
	var file bytes.Buffer
	out := struct{ *bytes.Buffer }{&file}
	write := func(w interface {
		Write([]byte) (int, error)
		Close() error
	}, err error) {
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !armored {
		write(age.Encrypt(out, recipient))
		return file.Bytes()
	}
	a := armor.NewWriter(out)
	write(age.Encrypt(a, recipient))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// shop is a stack whose service web uses the files.
func shop(files ...specs.StackFile) specs.Stack {
	task := specs.TaskSpec{Image: "web"}
	for _, f := range files {
		ref := specs.FileRef{Name: f.Name, Target: specs.TaskSpec{}.FileTarget(f.Kind, f.Key)}
		if f.Kind == specs.Secret {
			task.Secrets = append(task.Secrets, ref)
		} else {
			task.Configs = append(task.Configs, ref)
		}
	}
	h := encoding.HashTaskSpec(task)
	return specs.Stack{
		Name: "shop", Services: []specs.ServiceSpec{{Name: "shop_web", Stack: "shop", Task: h}},
		Tasks: map[specs.Hash]specs.TaskSpec{h: task}, Files: files,
		Origins: specs.Origins{"secrets.tls": {File: "stack.yml", Line: 9, Column: 3}},
	}
}

func present(t *testing.T, c specs.Cluster, more ...specs.Change) store.Snapshot {
	t.Helper()
	st := store.New()
	if errs := st.Apply(1, []specs.Transaction{append(specs.Transaction{{Cluster: &c}}, more...)}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	return st.Snapshot()
}

func resolved(t *testing.T, snap store.Snapshot, files ...specs.StackFile) (specs.Stack, specs.TaskSpec) {
	t.Helper()
	stacks, problems := Resolve(snap, []specs.Stack{shop(files...)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return stacks[0], stacks[0].Tasks[stacks[0].Services[0].Task]
}

func TestResolve(t *testing.T) {
	c := cluster(t, "key")
	keys := KeysOf(c)
	payload := keys.Payload(specs.Secret, []byte("outside"))
	snap := present(t, c, specs.Change{Payload: &payload}, specs.Change{External: specs.Insert(specs.ExternalID(specs.Secret, "outside_1"), specs.External{
		Kind: specs.Secret, Name: "outside_1", Payload: payload.Version, Template: specs.TemplateGolang,
	})})
	text, err := keys.Recipient()
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := age.ParseX25519Recipient(text)
	if err != nil {
		t.Fatal(err)
	}
	plain := specs.StackFile{Kind: specs.Secret, Key: "tls", Name: "shop_tls", File: "tls.key", Data: []byte("s3cret")}
	conf := specs.StackFile{Kind: specs.Config, Key: "conf", Name: "shop_conf", File: "app.conf", Data: []byte("conf")}
	outside := specs.StackFile{Kind: specs.Secret, Key: "outside", Name: "outside_1", External: true}
	given := shop(plain, conf, outside)
	stack, task := resolved(t, snap, plain, conf, outside)

	if task.Secrets[0].Version != keys.Payload(specs.Secret, plain.Data).Version || task.Configs[0].Version == "" ||
		task.Secrets[1].Version != payload.Version || task.Secrets[1].Template != specs.TemplateGolang {
		t.Errorf("got %+v", task)
	}
	if len(stack.Payloads) != 2 {
		t.Errorf("%d payloads, want those of the two files", len(stack.Payloads))
	}
	if at, _ := stack.Origins.Find("services.web.configs./conf"); at.File != "app.conf" {
		t.Errorf("the config is said to come from %s", at)
	}
	if diff := given.Tasks[given.Services[0].Task]; diff.Secrets[0].Version != "" || len(given.Origins) != 1 {
		t.Error("the loaded stack was changed")
	}

	for _, armored := range []bool{false, true, false} {
		sealed := plain
		sealed.File, sealed.Encrypted, sealed.Data = "tls.key.age", true, encrypted(t, recipient, armored, "s3cret")
		again, other := resolved(t, snap, sealed, conf, outside)
		if again.Services[0].Task != stack.Services[0].Task || other.Secrets[0] != task.Secrets[0] {
			t.Error("the same secret encrypted by age is another one")
		}
	}
	changed := conf
	changed.Data = []byte("other")
	if other, _ := resolved(t, snap, plain, changed, outside); other.Services[0].Task == stack.Services[0].Task {
		t.Error("a changed config replaces nothing")
	}
}

func TestResolveRefuses(t *testing.T) {
	c := cluster(t, "key")
	keyless := specs.Cluster{ID: "c", Key: []byte("key")}
	text, err := KeysOf(c).Recipient()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := age.ParseX25519Recipient(text)
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	cut := encrypted(t, ours, false, "s3cret")
	file := func(data []byte) specs.StackFile {
		return specs.StackFile{Kind: specs.Secret, Key: "tls", Name: "shop_tls", File: "tls.age", Data: data, Encrypted: true}
	}
	templated := file(encrypted(t, ours, false, "canary {{nosuch}}"))
	templated.Template = specs.TemplateGolang
	for _, test := range []struct {
		cluster specs.Cluster
		file    specs.StackFile
		want    string
	}{
		{c, specs.StackFile{Kind: specs.Secret, Key: "tls", Name: "mine", External: true}, "the cluster has no secret mine: swarmgit secret create mine FILE"},
		{keyless, file(cut), "tls.age cannot be read: the cluster has no age key yet: swarmgit age-key makes one"},
		{c, file(encrypted(t, other.Recipient(), true, "x")), "tls.age is not encrypted for this cluster: encrypt it for what swarmgit age-key prints"},
		{c, file(cut[:len(cut)-3]), "tls.age cannot be decrypted"},
		{c, file([]byte("age-encryption.org/v1\nrubbish")), "tls.age cannot be decrypted"},
		{c, file(encrypted(t, ours, false, "")), "tls.age is empty: a secret holds at least one byte"},
		{c, file(encrypted(t, ours, false, strings.Repeat("x", 500<<10))), "tls.age is too large: a secret must be smaller than 500 KiB"},
		{c, file(encrypted(t, ours, false, strings.Repeat("x", 3<<20))), "tls.age is too large: a secret must be smaller than 500 KiB"},
		{c, templated, "tls.age holds a template with a mistake"},
	} {
		_, problems := Resolve(present(t, test.cluster), []specs.Stack{shop(test.file)})
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Message, test.want) || problems[0].Position.Line != 9 || strings.Contains(problems[0].Message, "canary") {
			t.Errorf("got %v, want %q", problems, test.want)
		}
	}
}
