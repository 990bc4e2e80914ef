package planner

import "strings"

// text is "old -> new".
func (f Field) text() string {
	old, new := valueOrNone(f.Old), valueOrNone(f.New)
	if f.Name == "image" {
		return imageText(old, new)
	}
	if hidden(f.Old) && hidden(f.New) {
		return "(" + strings.Trim(old, "()") + " -> " + strings.Trim(new, "()") + ")"
	}
	return old + " -> " + new
}

func valueOrNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return shortened(printable(value))
}

// imageText leaves out what both images share, and names a new digest on a line
// of its own.
func imageText(old, new string) string {
	oldName, _, _ := strings.Cut(old, "@")
	newName, digest, pinned := strings.Cut(new, "@")
	text := oldName + " -> " + newName
	repository, _, tagged := cutTag(oldName)
	if tag, ok := strings.CutPrefix(newName, repository+":"); ok && tagged && oldName != newName {
		text = oldName + " -> :" + tag
	}
	if pinned {
		text += "\nnow " + shortDigest(digest)
	}
	return text
}

// cutTag splits an image name at its tag, which is no port of a registry.
func cutTag(image string) (repository, tag string, ok bool) {
	i := strings.LastIndexByte(image, ':')
	if i < 0 || strings.Contains(image[i:], "/") {
		return image, "", false
	}
	return image[:i], image[i+1:], true
}

func shortDigest(digest string) string {
	algorithm, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) <= 8 {
		return digest
	}
	return algorithm + ":" + hex[:8]
}
