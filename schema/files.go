package schema

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/swarmgit/swarmgit/specs"
)

// Limits on what a pusher controls.
const (
	// maxFile is the largest stack or env file: 1 MiB, a hundred times the
	// largest one seen in the wild.
	maxFile = 1 << 20
	// maxLinks is how many symbolic links one path may go through.
	maxLinks = 16
)

// files reads the files of one tree and remembers what it read, for the cache.
type files struct {
	fsys  fs.FS
	asked map[question]string // the answers: a content's hash, or why there is none
}

// question is what was asked of a tree: what does the file hold, or is it there.
type question struct {
	name    string
	content bool
}

// read returns a text file of the tree. The error is for the user: it says what
// the file is and what would be right, but does not repeat its name.
func (f *files) read(name string) ([]byte, error) {
	data, err := f.readText(name)
	sum := sha256.Sum256(data)
	f.remember(question{name, true}, hex.EncodeToString(sum[:]), err)
	return data, err
}

func (f *files) remember(q question, answer string, err error) {
	if err != nil {
		answer = err.Error()
	}
	if f.asked != nil {
		f.asked[q] = answer
	}
}

// answer asks the question again.
func (f *files) answer(q question) string {
	if q.content {
		f.read(q.name) //nolint:errcheck // the answer holds it
	} else {
		f.exists(q.name) //nolint:errcheck // the answer holds it
	}
	return f.asked[q]
}

func (f *files) readText(name string) ([]byte, error) {
	real, err := f.resolve(name)
	if err != nil {
		return nil, err
	}
	file, err := f.fsys.Open(real)
	if err != nil {
		return nil, plain(err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, plain(err)
	case info.IsDir():
		return nil, errors.New("is a folder, not a file")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > maxFile:
		return nil, tooLarge(info.Size())
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, plain(err)
	}
	switch {
	case len(data) > maxFile:
		return nil, tooLarge(int64(len(data)))
	case bytes.HasPrefix(data, lfsPointer):
		return nil, errors.New("is a Git LFS pointer, and not the file itself: take it out of LFS")
	}
	return data, nil
}

// lfsPointer begins what Git LFS puts in the place of a file.
var lfsPointer = []byte("version https://git-lfs.github.com/spec/")

func tooLarge(size int64) error {
	return fmt.Errorf("is too large, %.1f MiB: a file that is read may have at most %d MiB", float64(size)/(1<<20), maxFile>>20)
}

// exists says whether the tree has the file, without reading it.
func (f *files) exists(name string) error {
	real, err := f.resolve(name)
	if err == nil {
		var info fs.FileInfo
		if info, err = fs.Stat(f.fsys, real); err == nil && info.IsDir() {
			err = errors.New("is a folder, not a file")
		} else if err != nil {
			err = plain(err)
		}
	}
	f.remember(question{name, false}, "", err)
	return err
}

// resolve follows symbolic links as long as they stay in the tree, so that what
// is opened afterwards has none.
func (f *files) resolve(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", errOutside
	}
	done, rest := "", name
	for links := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		next := path.Join(done, part)
		info, err := fs.Lstat(f.fsys, next)
		if err != nil {
			return "", plain(err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", errors.New("is a symbolic link that leads in a circle")
		}
		target, err := fs.ReadLink(f.fsys, next)
		if err != nil {
			return "", errors.New("is a symbolic link, which is not followed here: put the file itself")
		}
		to := path.Join(path.Dir(next), target)
		if path.IsAbs(target) || !fs.ValidPath(to) {
			return "", fmt.Errorf("is a symbolic link to %s, out of the repository: put the file itself", target)
		}
		done, rest = "", path.Join(to, rest)
	}
	return done, nil
}

var errAbsent = errors.New("is not in the repository")

var errOutside = errors.New("is outside of the repository: only files of the commit are read")

// plain puts an error of the file system into a user's words.
func plain(err error) error {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errAbsent
	case errors.Is(err, fs.ErrPermission):
		return errors.New("cannot be read: permission denied")
	case errors.As(err, &pathErr):
		return fmt.Errorf("cannot be read: %w", pathErr.Err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// checkText finds what no stack file holds. The position is that of the first
// byte that is wrong.
func checkText(file string, data []byte) (specs.Problem, bool) {
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		message := ""
		switch {
		case r == 0:
			message = "a NUL byte: this is a binary file, not text"
		case r == utf8.RuneError && size == 1:
			message = "this byte is not UTF-8: save the file as UTF-8 text"
		case r == '\r' && !bytes.HasPrefix(data[at:], []byte("\r\n")), r == '\u0085', r == '\u2028', r == '\u2029':
			message = fmt.Sprintf("the character %U ends a line in YAML, but in few editors: delete it", r)
		}
		if message != "" {
			return specs.Problem{Position: positionAt(file, data, at), Message: message}, true
		}
		at += size
	}
	return specs.Problem{}, false
}

// positionAt turns an offset into a position. Columns count characters.
func positionAt(file string, data []byte, offset int) specs.Position {
	before := data[:offset]
	line := bytes.Count(before, []byte("\n")) + 1
	start := bytes.LastIndexByte(before, '\n') + 1
	return specs.Position{File: file, Line: line, Column: utf8.RuneCount(data[start:offset]) + 1}
}
