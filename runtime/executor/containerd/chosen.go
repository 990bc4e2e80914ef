package containerd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/distribution/reference"
)

var errNoSuchImage = errors.New("no such image on this node (see: swarmgit image ls)")

// chosen is the image that a person means: by its name, else by the tag that it was
// pulled by, else by the beginning of its digest.
func chosen(all []images.Image, ref string) (images.Image, error) {
	id := beginning(ref)
	name, err := normal(ref)
	if err != nil && id == "" {
		return images.Image{}, errors.New("this is no name of an image")
	}
	for _, means := range []func(images.Image) bool{
		func(img images.Image) bool { return err == nil && img.Name == name },
		func(img images.Image) bool { return err == nil && img.Labels[labelPulledAs] == name },
		func(img images.Image) bool { return id != "" && strings.HasPrefix(img.Target.Digest.Encoded(), id) },
	} {
		var found []images.Image
		var names []string
		for _, img := range all {
			if means(img) {
				found, names = append(found, img), append(names, img.Name)
			}
		}
		switch len(found) {
		case 0:
			continue
		case 1:
			return found[0], nil
		}
		return images.Image{}, fmt.Errorf("it may be any of %s: say which", strings.Join(names, ", "))
	}
	return images.Image{}, errNoSuchImage
}

// shortestID is the length at which hexadecimal digits count as those of a digest:
// that of Docker's image IDs.
const shortestID = 12

// beginning are the digits of a digest, or of its beginning, if ref may be one.
func beginning(ref string) string {
	id := strings.TrimPrefix(ref, "sha256:")
	if len(id) < shortestID || strings.Trim(id, "0123456789abcdef") != "" {
		return ""
	}
	return id
}

// pulledAs is the NAME:TAG of a reference that has a digest too, else empty.
func pulledAs(ref string) string {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	tagged, hasTag := named.(reference.Tagged)
	if _, fixed := named.(reference.Digested); !fixed || !hasTag {
		return ""
	}
	return named.Name() + ":" + tagged.Tag()
}
