package containerd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	maxLog    = 10 << 20    // bytes of the private containerd's log, above which it is cut
	keptLog   = 1 << 20     // bytes at its end that stay then
	logPeriod = time.Minute // between looks at its length: that much it may be longer
)

// openLog opens the log to append to it: whoever writes so may be cut meanwhile.
func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := cut(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// shorten cuts the log if it is too long.
func shorten(path string) error {
	f, err := openLog(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// cut leaves of a log that is too long the last lines. What is written to it at
// this moment may come before them. On a full disk they are lost, not the room.
func cut(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() <= maxLog {
		return err
	}
	end := make([]byte, keptLog)
	if _, err := f.ReadAt(end, info.Size()-keptLog); err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, whole, _ := bytes.Cut(end, []byte("\n"))
	_, err = fmt.Fprintf(f, "(%d MiB of older lines were cut)\n%s", (info.Size()-keptLog)>>20, whole)
	return err
}
