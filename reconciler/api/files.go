package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/swarmgit/swarmgit/reconciler/store"
	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/template"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Procedures about secrets and configs. What a secret holds is in no answer.
const (
	ListFiles   = wire.Unary[ListFilesRequest, ListFilesReply]("/swarmgit.api/ListFiles")
	InspectFile = wire.Unary[FileName, File]("/swarmgit.api/InspectFile")
	CreateFile  = wire.Unary[CreateFileRequest, File]("/swarmgit.api/CreateFile")
	RemoveFile  = wire.Unary[FileName, Empty]("/swarmgit.api/RemoveFile")
	GetAgeKey   = wire.Unary[Empty, AgeKeyReply]("/swarmgit.api/GetAgeKey")
)

// ListFilesRequest asks for all secrets, or all configs.
type ListFilesRequest struct {
	Kind specs.FileKind `json:"kind"` // secret or config
}

// ListFilesReply lists them by name.
type ListFilesReply struct {
	Files []File `json:"files"`
}

// FileName names one secret or config.
type FileName struct {
	Kind specs.FileKind `json:"kind"`
	Name string         `json:"name"`
}

// File is one secret or config that is external, or that services use.
type File struct {
	FileName
	External bool              `json:"external,omitempty"` // created here; else a file of a repository
	Created  time.Time         `json:"created,omitzero"`   // of an external one
	Labels   map[string]string `json:"labels,omitempty"`
	Template string            `json:"template_driver,omitempty"`
	Versions []FileVersion     `json:"versions"`
}

// FileVersion is one content of a secret or a config. During a rollout there are
// several of one from a repository.
type FileVersion struct {
	Version  specs.Hash `json:"version"`
	Services []string   `json:"services"`          // that refer to it
	Content  []byte     `json:"content,omitempty"` // of a config that is inspected
}

// CreateFileRequest makes an external secret or config, which never changes.
type CreateFileRequest struct {
	FileName
	Content  []byte            `json:"content"`
	Labels   map[string]string `json:"labels,omitempty"`
	Template string            `json:"template_driver,omitempty"` // golang
}

// AgeKeyReply is whom to encrypt secrets for.
type AgeKeyReply struct {
	Recipient string `json:"recipient"` // age1...
}

func (s *Server) listFiles(_ context.Context, req ListFilesRequest) (ListFilesReply, error) {
	if err := checkKind(req.Kind); err != nil {
		return ListFilesReply{}, err
	}
	return ListFilesReply{Files: filesOf(s.Cluster.Snapshot(), req.Kind)}, nil
}

func (s *Server) inspectFile(_ context.Context, req FileName) (File, error) {
	snap := s.Cluster.Snapshot()
	file, err := findFile(snap, req)
	if err != nil || req.Kind != specs.Config {
		return file, err
	}
	for i, v := range file.Versions {
		payload, _ := snap.Payload(v.Version) // there as long as something refers to it
		file.Versions[i].Content = payload.Data
	}
	return file, nil
}

func (s *Server) createFile(ctx context.Context, req CreateFileRequest) (File, error) {
	if err := checkNew(req); err != nil {
		return File{}, err
	}
	row := specs.External{
		Kind: req.Kind, Name: req.Name, Template: req.Template, Labels: req.Labels, Created: s.Now(),
	}
	payload := s.Keys.Payload(req.Kind, req.Content)
	row.Payload = payload.Version
	err := s.Nodes.Propose(ctx, specs.Transaction{
		{Payload: &payload}, {External: specs.Insert(specs.ExternalID(req.Kind, req.Name), row)},
	})
	if errors.Is(err, store.ErrConflict) {
		return File{}, wire.Errorf(wire.Conflict, "%[1]s %[2]s exists already and never changes: create one of another name, and name that in the stack file", req.Kind, req.Name)
	}
	if err != nil {
		return File{}, err
	}
	return findFile(s.Cluster.Snapshot(), req.FileName)
}

func checkNew(req CreateFileRequest) error {
	if err := checkKind(req.Kind); err != nil {
		return err
	}
	if wrong := specs.WrongFileName(req.Name); wrong != "" {
		return wire.Errorf(wire.InvalidArgument, "%s %q: %s", req.Kind, req.Name, wrong)
	}
	if wrong := req.Kind.WrongSize(len(req.Content)); wrong != "" {
		return wire.Errorf(wire.InvalidArgument, "%s %s: what was given %s", req.Kind, req.Name, wrong)
	}
	switch req.Template {
	case "":
	case specs.TemplateGolang:
		if err := template.CheckPayload(string(req.Content)); err != nil && req.Kind == specs.Config {
			return wire.Errorf(wire.InvalidArgument, "%s %s: template: %v", req.Kind, req.Name, err)
		} else if err != nil {
			return wire.Errorf(wire.InvalidArgument, "%s %s: its template has a mistake", req.Kind, req.Name)
		}
	default:
		return wire.Errorf(wire.InvalidArgument, "template driver %s: golang is the only one", req.Template)
	}
	return nil
}

func checkKind(kind specs.FileKind) error {
	if kind != specs.Secret && kind != specs.Config {
		return wire.Errorf(wire.InvalidArgument, "kind %q: use secret or config", kind)
	}
	return nil
}

// removeFile forgets an external secret or config that no service refers to.
func (s *Server) removeFile(ctx context.Context, req FileName) (Empty, error) {
	return Empty{}, s.change(ctx, func(snap store.Snapshot) (specs.Transaction, error) {
		file, err := findFile(snap, req)
		if err != nil {
			return nil, err
		}
		if !file.External {
			return nil, wire.Errorf(wire.InvalidArgument, "%s %s is a file of a repository: take it out there; it goes with the last service that uses it", req.Kind, req.Name)
		}
		if users := file.users(); len(users) > 0 {
			return nil, wire.Errorf(wire.Conflict, "%s %s is used by %s: take it out of their stack files first", req.Kind, req.Name, strings.Join(users, ", "))
		}
		row, _ := snap.External(req.Kind, req.Name)
		return specs.Transaction{{External: specs.Remove[specs.External](row.ID, row.Version)}}, nil
	})
}

func (s *Server) getAgeKey(ctx context.Context, _ Empty) (AgeKeyReply, error) {
	recipient, err := s.Keys.AgeRecipient(ctx)
	return AgeKeyReply{Recipient: recipient}, err
}

func (f File) users() []string {
	var all []string
	for _, v := range f.Versions {
		all = append(all, v.Services...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func findFile(snap store.Snapshot, name FileName) (File, error) {
	if err := checkKind(name.Kind); err != nil {
		return File{}, err
	}
	all := filesOf(snap, name.Kind)
	if i := slices.IndexFunc(all, func(f File) bool { return f.Name == name.Name }); i >= 0 {
		return all[i], nil
	}
	return File{}, wire.Errorf(wire.NotFound, "no %[1]s %[2]s (see: swarmgit %[1]s ls)", name.Kind, name.Name)
}

// filesOf are the secrets or configs, by name, with who uses which version.
func filesOf(snap store.Snapshot, kind specs.FileKind) []File {
	files := map[string]*File{}
	for row := range snap.Externals() {
		if row.Kind == kind {
			files[row.Name] = &File{
				FileName: FileName{kind, row.Name}, External: true, Created: row.Created, Labels: row.Labels, Template: row.Template,
				Versions: []FileVersion{{Version: row.Payload, Services: []string{}}},
			}
		}
	}
	for service := range snap.Services() {
		for _, h := range service.TaskSpecs() {
			task, _ := snap.TaskSpec(h)
			for k, ref := range task.FileRefs {
				if k == kind {
					noteUse(files, kind, ref, service.Spec.Name)
				}
			}
		}
	}
	sorted := make([]File, 0, len(files))
	for _, f := range files {
		slices.SortFunc(f.Versions, func(a, b FileVersion) int { return cmp.Compare(a.Version, b.Version) })
		for i := range f.Versions {
			slices.Sort(f.Versions[i].Services)
		}
		sorted = append(sorted, *f)
	}
	slices.SortFunc(sorted, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	return sorted
}

func noteUse(files map[string]*File, kind specs.FileKind, ref specs.FileRef, service string) {
	f := files[ref.Name]
	if f == nil {
		f = &File{FileName: FileName{kind, ref.Name}, Template: ref.Template}
		files[ref.Name] = f
	}
	i := slices.IndexFunc(f.Versions, func(v FileVersion) bool { return v.Version == ref.Version })
	if i < 0 {
		i = len(f.Versions)
		f.Versions = append(f.Versions, FileVersion{Version: ref.Version})
	}
	if v := &f.Versions[i]; !slices.Contains(v.Services, service) {
		v.Services = append(v.Services, service)
	}
}
