package containerd

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/moby/sys/user"
	ocispec "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/swarmgit/swarmgit/specs"
)

// identify says who the task's process is, by the image's own users and groups.
// Its home is empty when the image does not know the user.
func identify(task specs.TaskSpec, img *image) (who ocispec.User, home string, err error) {
	name := cmp.Or(task.User, img.config.User)
	found, err := user.GetExecUser(name, &user.ExecUser{}, bytes.NewReader(img.passwd), bytes.NewReader(img.group))
	if err != nil {
		return who, "", fmt.Errorf("user %q of image %s: %w", name, img.name, err)
	}
	extra, err := user.GetAdditionalGroups(task.Groups, bytes.NewReader(img.group))
	if err != nil {
		return who, "", fmt.Errorf("groups %q in image %s: %w", task.Groups, img.name, err)
	}
	who.UID, who.GID = uint32(found.Uid), uint32(found.Gid)
	for _, gid := range slices.Concat([]int{found.Gid}, found.Sgids, extra) {
		if !slices.Contains(who.AdditionalGids, uint32(gid)) {
			who.AdditionalGids = append(who.AdditionalGids, uint32(gid))
		}
	}
	return who, found.Home, nil
}
