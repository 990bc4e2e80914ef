package consensus

import (
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
)

// fullPipeline takes nothing until it is closed, as one whose answers are not
// read.
type fullPipeline struct {
	raft.AppendPipeline
	closed chan struct{}
}

func (p fullPipeline) AppendEntries(*raft.AppendEntriesRequest, *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	<-p.closed
	return nil, raft.ErrPipelineShutdown
}

func (p fullPipeline) Close() error {
	close(p.closed)
	return nil
}

func TestAPipelineThatTakesNothingIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := gatedPipeline{fullPipeline{closed: make(chan struct{})}, &gate{}}
		if _, err := p.AppendEntries(nil, nil); err != raft.ErrPipelineShutdown {
			t.Errorf("got %v", err)
		}
	})
}
