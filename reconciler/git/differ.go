package git

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Differ lists the files that one tree has and the other has not or otherwise,
// sorted. Each side is a [Tree] or any other file system, such as somebody's
// working tree; of a Tree only the folders that may differ are read. A file's
// mode does not count, what kind of file it is does.
func Differ(a, b fs.FS) ([]string, error) {
	var names []string
	err := differ(a, b, ".", &names)
	slices.Sort(names)
	return slices.Compact(names), err
}

func differ(a, b fs.FS, folder string, names *[]string) error {
	ours, err := list(a, folder)
	if err != nil {
		return err
	}
	theirs, err := list(b, folder)
	if err != nil {
		return err
	}
	for name, mine := range ours {
		at := path.Join(folder, name)
		other, both := theirs[name]
		delete(theirs, name)
		switch {
		case both && mine.IsDir() && other.IsDir():
			if h := known(mine); h == "" || h != known(other) {
				err = differ(a, b, at, names)
			}
		case both && mine.Type() == other.Type():
			err = compare(a, b, mine, other, at, names)
		default:
			err = addAll(a, mine, at, names)
			if err == nil && both {
				err = addAll(b, other, at, names)
			}
		}
		if err != nil {
			return err
		}
	}
	for name, other := range theirs {
		if err := addAll(b, other, path.Join(folder, name), names); err != nil {
			return err
		}
	}
	return nil
}

func list(fsys fs.FS, folder string) (map[string]fs.DirEntry, error) {
	entries, err := fs.ReadDir(fsys, folder)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]fs.DirEntry, len(entries))
	for _, e := range entries {
		byName[e.Name()] = e
	}
	return byName, nil
}

func compare(a, b fs.FS, mine, other fs.DirEntry, at string, names *[]string) error {
	left, err := hash(a, mine, at)
	if err != nil {
		return err
	}
	right, err := hash(b, other, at)
	if err == nil && left != right {
		*names = append(*names, at)
	}
	return err
}

// addAll adds a file, or all files below a folder.
func addAll(fsys fs.FS, e fs.DirEntry, at string, names *[]string) error {
	if !e.IsDir() {
		*names = append(*names, at)
		return nil
	}
	return fs.WalkDir(fsys, at, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			*names = append(*names, path)
		}
		return err
	})
}

// known is the entry's hash when it need not be computed.
func known(e fs.DirEntry) string {
	if hashed, ok := e.(interface{ Hash() string }); ok {
		return hashed.Hash()
	}
	return ""
}

// hash is what Git would call the entry's content, which may be of any size.
func hash(fsys fs.FS, e fs.DirEntry, at string) (string, error) {
	if h := known(e); h != "" {
		return h, nil
	}
	if e.Type() == fs.ModeSymlink {
		target, err := fs.ReadLink(fsys, at)
		if err != nil {
			return "", err
		}
		return blob(strings.NewReader(target), int64(len(target)))
	}
	file, err := fsys.Open(at)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	return blob(file, info.Size())
}

func blob(content io.Reader, size int64) (string, error) {
	sum := sha1.New()
	fmt.Fprintf(sum, "blob %d\x00", size)
	_, err := io.Copy(sum, content)
	return hex.EncodeToString(sum.Sum(nil)), err
}
