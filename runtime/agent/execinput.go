package agent

import (
	"io"
	"sync"
)

// inputRoom is how much input of a command waits here to be read, in bytes: more
// than people type ahead of a new size of their terminal.
const inputRoom = 256 << 10

// input is what came to a command and is not read yet.
type input struct {
	more func(room int) error // tells the manager that so many bytes are read

	mu      sync.Mutex
	changed sync.Cond
	unread  []byte
	read    int   // bytes that the manager was not told of
	ended   error // what Read returns in the end; nil while more may come
}

func newInput(more func(room int) error) *input {
	i := &input{more: more}
	i.changed.L = &i.mu
	return i
}

// write adds what came. It waits for room only when the manager sends more than
// it was told that there is.
func (i *input) write(p []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.unread) >= inputRoom && i.ended == nil {
		i.changed.Wait()
	}
	if i.ended == nil {
		i.unread = append(i.unread, p...)
		i.changed.Broadcast()
	}
}

// end lets nothing more come; what came is read before err.
func (i *input) end(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended == nil {
		i.ended = err
		i.changed.Broadcast()
	}
}

// close ends the input for its reader too.
func (i *input) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unread, i.ended = nil, io.ErrClosedPipe
	i.changed.Broadcast()
}

// Read waits until something came, or nothing more will.
func (i *input) Read(p []byte) (int, error) {
	n, told, err := i.take(p)
	if told > 0 {
		err = i.more(told)
	}
	return n, err
}

// take is Read; of what was read the manager is to be told when it is much.
func (i *input) take(p []byte) (n, told int, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.unread) == 0 && i.ended == nil {
		i.changed.Wait()
	}
	if len(i.unread) == 0 {
		return 0, 0, i.ended
	}
	n = copy(p, i.unread)
	i.unread = i.unread[n:]
	i.changed.Broadcast()
	if i.read += n; i.read >= inputRoom/2 {
		told, i.read = i.read, 0
	}
	return n, told, nil
}
