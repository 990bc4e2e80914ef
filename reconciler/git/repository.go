package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/swarmgit/swarmgit/specs/bell"
)

// maxReceives is how many packs may come in at once. Each costs a few git
// processes and up to the pack limit of disk; more than four only queue on the
// disk.
const maxReceives = 4

// Repository is the bare repository of the cluster's own remote. It is safe for
// concurrent use. Only one process may have it open.
type Repository struct {
	dir   string
	slots chan struct{} // one token per receive that may run; housekeeping takes all
	read  *objects

	closed  chan struct{}  // tells sending to end
	sending sync.WaitGroup // what Replicate still sends

	// syncing serialises corrections of the local refs, each of which reads the
	// rows anew, so that the last one leaves what the store says.
	syncing sync.Mutex

	compared bell.Bell // when missing was looked at again

	mu      sync.Mutex
	missing *MissingError    // what the rows need and is not here; nil when nothing
	tried   map[string]error // commit -> why it did not come when it was last asked for
}

// Open opens the repository in dir, making it when it is not there, and anew
// when it is damaged. What a killed daemon left half done is removed. The caller
// closes it.
func Open(ctx context.Context, dir string) (*Repository, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	if _, err := exec.LookPath("git"); err != nil {
		return nil, errors.New("open repository: git is not installed: install the package git (2.30 or newer)")
	}
	r := &Repository{
		dir: dir, slots: make(chan struct{}, maxReceives), read: newObjects(dir),
		closed: make(chan struct{}),
	}
	for range maxReceives {
		r.slots <- struct{}{}
	}
	if err := r.ensure(ctx); err != nil {
		return nil, fmt.Errorf("open repository %s: %w", dir, err)
	}
	return r, nil
}

// Close ends what Replicate still sends and the processes that read for the
// repository. Nothing may be asked of it any more.
func (r *Repository) Close() {
	close(r.closed)
	r.sending.Wait()
	r.read.close()
}

func create(ctx context.Context, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("create repository: %w", err)
	}
	cmd := exec.CommandContext(ctx, "git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main", dir)
	if _, err := output(cmd, ""); err != nil {
		return fmt.Errorf("create repository: %w", err)
	}
	return os.Chmod(dir, 0o700)
}

// settings is the whole configuration: there is no other file that git reads.
const settings = `# Written by swarmgit at every start.
[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	logAllRefUpdates = false
	hooksPath = "%s"
	bigFileThreshold = 8m
	fsync = committed
[gc]
	auto = 0
[maintenance]
	auto = false
[receive]
	autogc = false
	fsckObjects = true
	unpackLimit = 1
	procReceiveRefs = refs
	denyDeleteCurrent = ignore
	denyCurrentBranch = ignore
[uploadpack]
	allowFilter = true
[transfer]
	hideRefs = refs/swarmgit
`

// The hooks ask the server over descriptor 3 and hear from it over 4; they use
// nothing but the shell's builtins. Reading stdin to its end keeps
// receive-pack's writes from meeting a closed pipe.
var hooks = map[string]string{
	"pre-receive": `#!/bin/sh
printf 'pre-receive %s\n' "$GIT_QUARANTINE_PATH" >&3
while read -r line; do :; done
read -r verdict <&4 || exit 1
exit "$verdict"
`,
	"proc-receive": `#!/bin/sh
printf '000eversion=1\n0000'
echo proc-receive >&3
IFS= read -r report <&4 || exit 1
printf '%s' "$report"
while read -r line; do :; done
exit 0
`,
}

func (r *Repository) configure() error {
	folder := filepath.Join(r.dir, "hooks")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for name, script := range hooks {
		path := filepath.Join(folder, name)
		if err := replace(path, script, 0o700); err != nil {
			return err
		}
		if err := syscall.Access(path, mayExecute); err != nil {
			return fmt.Errorf("hook %s cannot be executed (%w): is the file system mounted noexec?", path, err)
		}
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(folder)
	return replace(filepath.Join(r.dir, "config"), fmt.Sprintf(settings, quoted), 0o600)
}

// mayExecute is access(2)'s X_OK.
const mayExecute = 1

// replace writes a file so that a reader finds the old or the new text whole.
func replace(path, text string, mode os.FileMode) error {
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// clearLeftovers removes what receives of a killed daemon left: their
// quarantines, and the marks that keep a pack from being repacked.
func (r *Repository) clearLeftovers() error {
	var left []string
	for _, pattern := range []string{"objects/tmp_objdir-*", "objects/pack/*.keep", "objects/pack/tmp_*", "objects/pack/.tmp-*", "*.lock"} {
		found, err := filepath.Glob(filepath.Join(r.dir, pattern))
		if err != nil {
			return err
		}
		left = append(left, found...)
	}
	err := filepath.WalkDir(filepath.Join(r.dir, "refs"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".lock") {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}
