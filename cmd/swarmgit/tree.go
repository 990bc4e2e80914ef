package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/swarmgit/swarmgit/specs"
)

// maxTree bounds what of a working tree travels to the daemon, like a push.
const maxTree specs.Bytes = 32 << 20

// wayOfLarge is what to do about what is larger.
const wayOfLarge = "keep other files elsewhere, or out of Git's view by .gitignore"

// zipTree packs the files below dir that a commit of everything would hold:
// Git's own idea of them where dir is in a repository, else all of them.
// Symbolic links travel as links.
func zipTree(ctx context.Context, dir string) ([]byte, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("read the working tree %s: no such directory", dir)
	}
	names, err := treeFiles(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("read the working tree %s: %w", dir, err)
	}
	var buf bytes.Buffer
	archive := zip.NewWriter(&buf)
	for _, name := range names {
		if err := addFile(archive, dir, name); err != nil {
			return nil, fmt.Errorf("read the working tree %s: %w", dir, err)
		}
		if specs.Bytes(buf.Len()) > maxTree {
			return nil, fmt.Errorf("read the working tree %s: it is larger than %s: %s", dir, maxTree, wayOfLarge)
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func addFile(archive *zip.Writer, dir, name string) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	info, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return nil // deleted, and Git does not know yet
	}
	if err != nil {
		return err
	}
	var data []byte
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		var target string
		target, err = os.Readlink(path)
		data = []byte(target)
	case !info.Mode().IsRegular():
		return nil // a socket, a nested repository: no commit holds it
	case specs.Bytes(info.Size()) > maxTree:
		return fmt.Errorf("%s is larger than %s: %s", name, maxTree, wayOfLarge)
	default:
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return err
	}
	header := &zip.FileHeader{Name: name, Method: zip.Deflate}
	header.SetMode(info.Mode())
	w, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// treeFiles lists files with slashes, relative to dir.
func treeFiles(ctx context.Context, dir string) ([]string, error) {
	out, err := gitIn(ctx, dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	switch {
	case err == nil:
		return strings.FieldsFunc(out, func(r rune) bool { return r == 0 }), nil
	case !errors.Is(err, errNoRepository) && !errors.Is(err, exec.ErrNotFound): // it must not send what .gitignore holds back
		return nil, fmt.Errorf("%w: which files belong to the repository is not known without it", err)
	}
	var names []string
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case entry.IsDir() && entry.Name() == ".git":
			return filepath.SkipDir
		case entry.IsDir():
			return nil
		}
		name, err := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	return names, err
}
