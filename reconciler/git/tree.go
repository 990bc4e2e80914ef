package git

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// What is read of a commit is bounded: a push may hold anything.
const (
	maxFile = 16 << 20 // bytes of one file
	maxTree = 4 << 20  // bytes of one folder's list, some 100,000 entries
)

// Files opens the tree of a stored commit. See [Tree].
func (r *Repository) Files(ctx context.Context, revision string) (*Tree, error) {
	return r.read.files(ctx, revision)
}

func (o *objects) files(ctx context.Context, revision string) (*Tree, error) {
	commit, err := o.commit(ctx, revision)
	if err != nil {
		return nil, err
	}
	return newTree(ctx, o, commit.Tree), nil
}

// Tree is a commit's files as a file system, without a checkout. It follows no
// symbolic link: they show as fs.ModeSymlink, and ReadLink says where to.
// Submodules show as fs.ModeIrregular and cannot be opened. It is safe for
// concurrent use, and ends with the context that it was opened with.
//
// Its FileInfo also has `Hash() string`, the object's name, under which what was
// made of the content can be remembered.
type Tree struct {
	ctx  context.Context // fs.FS has no room for one
	read *objects
	root string

	mu      sync.Mutex // not held while reading
	folders map[string][]entry
}

var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.ReadFileFS = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
)

func newTree(ctx context.Context, read *objects, root string) *Tree {
	return &Tree{ctx: ctx, read: read, root: root, folders: map[string][]entry{}}
}

// Hash is the name of the whole tree: equal hashes, equal files.
func (t *Tree) Hash() string { return t.root }

// Open opens a file or a folder.
func (t *Tree) Open(name string) (fs.File, error) {
	e, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	if e.IsDir() {
		list, err := t.folder(e.hash)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return &openFolder{e, t.entries(list)}, nil
	}
	data, err := t.content(e)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{fileInfo{e, int64(len(data))}, bytes.NewReader(data)}, nil
}

// ReadDir lists a folder, sorted by name.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !e.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	list, err := t.folder(e.hash)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return t.entries(list), nil
}

// ReadFile reads a file whole; the caller owns the bytes.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	e, err := t.find("read", name)
	if err != nil {
		return nil, err
	}
	data, err := t.content(e)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

// Stat is Lstat: no link is followed.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.Lstat(name) }

// Lstat describes a file, folder or link.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) {
	e, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return t.info(e)
}

// ReadLink says what a symbolic link holds.
func (t *Tree) ReadLink(name string) (string, error) {
	e, err := t.find("readlink", name)
	if err != nil {
		return "", err
	}
	if e.mode != fs.ModeSymlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: errors.New("not a symbolic link")}
	}
	data, err := t.blob(e.hash)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(data), nil
}

func (t *Tree) find(op, name string) (entry, error) {
	if !fs.ValidPath(name) {
		return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	at := entry{name: ".", mode: fs.ModeDir, hash: t.root}
	if name == "." {
		return at, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !at.IsDir() {
			return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		list, err := t.folder(at.hash)
		if err != nil {
			return entry{}, &fs.PathError{Op: op, Path: name, Err: err}
		}
		i, ok := slices.BinarySearchFunc(list, part, func(e entry, name string) int { return strings.Compare(e.name, name) })
		if !ok {
			return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		at = list[i]
	}
	return at, nil
}

func (t *Tree) folder(hash string) ([]entry, error) {
	t.mu.Lock()
	list, ok := t.folders[hash]
	t.mu.Unlock()
	if ok {
		return list, nil
	}
	list, err := t.read.tree(t.ctx, hash)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.folders[hash] = list
	t.mu.Unlock()
	return list, nil
}

func (t *Tree) content(e entry) ([]byte, error) {
	switch {
	case e.IsDir():
		return nil, errors.New("is a folder")
	case e.mode == fs.ModeSymlink:
		return nil, errors.New("is a symbolic link, which is not followed")
	case e.mode == fs.ModeIrregular:
		return nil, errors.New("is a submodule, whose files are not in this repository")
	}
	return t.blob(e.hash)
}

func (t *Tree) blob(hash string) ([]byte, error) {
	found, err := t.read.get(t.ctx, hash, maxFile)
	switch {
	case err != nil:
		return nil, err
	case found.kind != "blob":
		return nil, fmt.Errorf("%s is a %s, not a file", Short(hash), found.kind)
	case found.data == nil:
		return nil, fmt.Errorf("%d bytes are more than the %d that are read of one file", found.size, maxFile)
	}
	return found.data, nil
}

// info asks for the size too, without taking the content of what is large.
func (t *Tree) info(e entry) (fs.FileInfo, error) {
	if e.IsDir() || e.mode == fs.ModeIrregular {
		return fileInfo{e, 0}, nil
	}
	found, err := t.read.get(t.ctx, e.hash, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: e.name, Err: err}
	}
	return fileInfo{e, found.size}, nil
}

func (t *Tree) entries(list []entry) []fs.DirEntry {
	out := make([]fs.DirEntry, len(list))
	for i, e := range list {
		out[i] = dirEntry{e, t}
	}
	return out
}

// tree reads one folder, sorted by name.
func (o *objects) tree(ctx context.Context, hash string) ([]entry, error) {
	found, err := o.get(ctx, hash, maxTree)
	switch {
	case err != nil:
		return nil, err
	case found.kind != "tree":
		return nil, fmt.Errorf("%s is a %s, not a folder", Short(hash), found.kind)
	case found.data == nil:
		return nil, fmt.Errorf("a folder of %d bytes of names is more than the %d that are read", found.size, maxTree)
	}
	return parseTree(found.data)
}

// parseTree reads "<mode> <name>\x00<20 bytes>" until the end.
func parseTree(data []byte) ([]entry, error) {
	var list []entry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		mode, name, spaced := bytes.Cut(head, []byte{' '})
		if !ok || !spaced || len(rest) < 20 {
			return nil, errors.New("a tree object is damaged")
		}
		list = append(list, entry{string(name), fileMode(string(mode)), hex.EncodeToString(rest[:20])})
		data = rest[20:]
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

func fileMode(git string) fs.FileMode {
	switch git {
	case "40000", "040000":
		return fs.ModeDir
	case "120000":
		return fs.ModeSymlink
	case "160000":
		return fs.ModeIrregular
	case "100755":
		return 0o111
	}
	return 0
}

// entry is one name in a folder.
type entry struct {
	name string
	mode fs.FileMode // the type bits, and 0o111 for an executable
	hash string
}

func (e entry) Name() string      { return path.Base(e.name) }
func (e entry) IsDir() bool       { return e.mode == fs.ModeDir }
func (e entry) Hash() string      { return e.hash }
func (e entry) Type() fs.FileMode { return e.mode.Type() }

func (e entry) Mode() fs.FileMode {
	if e.IsDir() {
		return e.mode | 0o555
	}
	return e.mode | 0o444
}

type dirEntry struct {
	entry
	tree *Tree
}

func (d dirEntry) Info() (fs.FileInfo, error) { return d.tree.info(d.entry) }

type fileInfo struct {
	entry
	size int64
}

func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) Sys() any           { return nil }

type openFile struct {
	info fileInfo
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openFolder struct {
	entry entry
	rest  []fs.DirEntry
}

func (f *openFolder) Stat() (fs.FileInfo, error) { return fileInfo{f.entry, 0}, nil }
func (f *openFolder) Close() error               { return nil }

func (f *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.entry.name, Err: errors.New("is a folder")}
}

func (f *openFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(f.rest) {
		if n > 0 && len(f.rest) == 0 {
			return nil, io.EOF
		}
		n = len(f.rest)
	}
	var list []fs.DirEntry
	list, f.rest = f.rest[:n], f.rest[n:]
	return list, nil
}
