package api

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/swarmgit/swarmgit/specs"
	"github.com/swarmgit/swarmgit/specs/wire"
)

// Procedures about the images of the node whose daemon is asked.
const (
	LoadImage   = wire.ClientStream[Chunk, ImagesReply]("/swarmgit.api/LoadImage")
	ListImages  = wire.Unary[Empty, ImagesReply]("/swarmgit.api/ListImages")
	RemoveImage = wire.Unary[ByName, Empty]("/swarmgit.api/RemoveImage")
	// UnusedImages lists those that nothing on the node needs.
	UnusedImages = wire.Unary[Empty, ImagesReply]("/swarmgit.api/UnusedImages")
)

// Chunk is a piece of an archive.
type Chunk struct {
	Data []byte `json:"data"`
}

// Image is one image that the node has.
type Image struct {
	Name     string      `json:"name"`
	PulledAs string      `json:"pulled_as,omitempty"` // NAME:TAG, where Name is NAME@DIGEST and a tag is known
	Digest   string      `json:"digest"`
	Size     specs.Bytes `json:"size"`
	Created  time.Time   `json:"created,omitzero"`
	Pulled   bool        `json:"pulled,omitempty"` // from a registry: it is removed once nothing has needed it for a day
}

// ImagesReply lists images by name.
type ImagesReply struct {
	Images []Image `json:"images"`
}

// Images are what the node's executor can do with images.
type Images interface {
	Load(ctx context.Context, archive io.Reader) ([]Image, error)
	List(ctx context.Context) ([]Image, error)
	// Remove removes an image that no task uses.
	Remove(ctx context.Context, name string) error
	// Unused lists the images that no task uses and that are none of the needed.
	Unused(ctx context.Context, needed []string) ([]Image, error)
}

// RegisterOwn serves what a node that is no manager answers too: its images.
func (s *Server) RegisterOwn(mux *http.ServeMux) {
	LoadImage.Serve(mux, s.loadImage)
	ListImages.Serve(mux, s.listImages)
	RemoveImage.Serve(mux, s.removeImage)
	UnusedImages.Serve(mux, s.unusedImages)
}

func (s *Server) loadImage(ctx context.Context, chunks iter.Seq2[Chunk, error]) (ImagesReply, error) {
	if s.Images == nil {
		return ImagesReply{}, errNoImages
	}
	archive := &chunkReader{}
	archive.next, archive.stop = iter.Pull2(chunks)
	defer archive.stop()
	images, err := s.Images.Load(ctx, archive)
	return ImagesReply{Images: images}, err
}

func (s *Server) listImages(ctx context.Context, _ Empty) (ImagesReply, error) {
	if s.Images == nil {
		return ImagesReply{}, errNoImages
	}
	images, err := s.Images.List(ctx)
	return ImagesReply{Images: images}, err
}

func (s *Server) removeImage(ctx context.Context, req ByName) (Empty, error) {
	if s.Images == nil {
		return Empty{}, errNoImages
	}
	return Empty{}, s.Images.Remove(ctx, req.Name)
}

// neededPatience is how long a person waits for a manager to say what is needed.
const neededPatience = 10 * time.Second

func (s *Server) unusedImages(ctx context.Context, _ Empty) (ImagesReply, error) {
	if s.Images == nil {
		return ImagesReply{}, errNoImages
	}
	ctx, cancel := context.WithTimeout(ctx, neededPatience)
	defer cancel()
	needed, err := s.Needed(ctx)
	if err != nil {
		return ImagesReply{}, wire.Errorf(wire.Unavailable, "no manager says which images this node needs, nothing was removed: try again in a moment: %w", err)
	}
	images, err := s.Images.Unused(ctx, needed)
	return ImagesReply{Images: images}, err
}

var errNoImages = errors.New("this node's executor has no images: ask a node that runs containers")

// chunkReader reads a stream of chunks as one archive.
type chunkReader struct {
	next func() (Chunk, error, bool)
	stop func()
	rest []byte
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		chunk, err, ok := r.next()
		if !ok {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		r.rest = chunk.Data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
