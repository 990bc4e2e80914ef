package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/swarmgit/swarmgit/runtime/executor"
)

// withFiles is a task with a secret and a config, in a directory that others may
// pass.
func (b *bench) withFiles(id string, uid *uint32, verbs ...string) executor.Task {
	b.t.Helper()
	dir, err := os.MkdirTemp("", "open-")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	task := task(id, spec(verbs...))
	task.FilesDir = filepath.Join(dir, id)
	task.Files = []executor.File{
		{Source: filepath.Join(task.FilesDir, "secrets/tls/key"), Mode: 0o400},
		{Source: filepath.Join(task.FilesDir, "configs/conf"), Mode: 0o640, UID: uid, GID: uid},
	}
	err = os.Chmod(dir, 0o711)
	for _, f := range task.Files {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(f.Source), 0o700), os.WriteFile(f.Source, []byte("held\n"), fs.FileMode(f.Mode)))
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return task
}

// A task's user has its files and the way to them, whoever that is, and others
// the files that are theirs.
func TestFilesOfTheTasksUser(t *testing.T) {
	b := newBench(t)
	task := b.withFiles("files", nil)
	key, conf := task.Files[0].Source, task.Files[1].Source
	task.Spec.Command = []string{"show=" + key, "show=" + conf, "sleep"}
	uid, gid := os.Geteuid(), os.Getegid()
	want := fmt.Sprintf("400 %[1]d:%[2]d held\n640 %[1]d:%[2]d held\n", uid, gid)
	if uid == 0 {
		binary := filepath.Join(filepath.Dir(task.FilesDir), "program")
		if err := errors.Join(copyFile(binary, os.Args[0]), os.Chmod(binary, 0o755)); err != nil {
			t.Fatal(err)
		}
		task.Spec.Entrypoint[0], task.Spec.User = binary, "65534:2"
		task.Files[1].GID = new(uint32(2))
		want = "400 65534:2 held\n640 65534:2 held\n"
	}
	for range 2 { // the second time as after a kill in the middle
		if err := b.Prepare(t.Context(), task, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(b.dirOf(task.ID), recordFile)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Prepare(t.Context(), task, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Start(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	b.ready(task.ID, 1)
	if out := b.log(task.ID); out != want+"ready\n" {
		t.Errorf("it reads %q, want %q", out, want)
	}
	for _, dir := range []string{task.FilesDir, filepath.Dir(key)} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("others reach %s: %v, %v", dir, info.Mode(), err)
		}
	}
}

// What a task has left behind leads root nowhere else.
func TestFilesAreGivenWhereTheyLie(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	b := newBench(t)
	task := b.withFiles("links", nil, "sleep")
	task.Spec.User = "65534"
	theirs := filepath.Join(t.TempDir(), "key")
	secrets := filepath.Dir(task.Files[0].Source)
	if err := errors.Join(os.WriteFile(theirs, nil, 0o600), os.RemoveAll(secrets), os.Symlink(filepath.Dir(theirs), secrets)); err != nil {
		t.Fatal(err)
	}
	if err := b.Prepare(t.Context(), task, nil); err == nil {
		t.Error("a link is followed")
	}
	if out := ownerOf(t, theirs); out != 0 {
		t.Errorf("another file is given to user %d", out)
	}
}

// A daemon that is not root says which file it cannot give to whom: root is another
// user too.
func TestFilesOfOthersAreRefused(t *testing.T) {
	b := newBench(t)
	for _, stranger := range []uint32{12345, 0} {
		task := b.withFiles(fmt.Sprint("strange", stranger), &stranger, "sleep")
		if os.Geteuid() == 0 {
			task.Spec.User = "65534"
			err := b.Prepare(t.Context(), task, nil)
			if owner := ownerOf(t, task.Files[1].Source); err != nil || owner != stranger {
				t.Errorf("the file of user %d is of user %d, %v", stranger, owner, err)
			}
			continue
		}
		err := b.Prepare(t.Context(), task, nil)
		want := fmt.Sprintf("configs/conf: uid %[1]d, gid %[1]d: the daemon of this node runs as user %[2]d and can give files to itself", stranger, os.Geteuid())
		if err == nil || !strings.HasPrefix(err.Error(), want) || errors.Is(err, executor.ErrTemporary) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid
}
