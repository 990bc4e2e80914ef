package main

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/swarmgit/swarmgit/specs/wire"
)

// rawTerminal passes on every key of the terminal as it is, until restore.
func rawTerminal(in io.Reader) (restore func(), err error) {
	return setTerminal(in, func(raw *unix.Termios) {
		raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
		raw.Oflag &^= unix.OPOST
		raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
		raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
		raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	})
}

// muteTerminal shows nothing of what is typed, until restore.
func muteTerminal(in io.Reader) (restore func(), err error) {
	return setTerminal(in, func(mute *unix.Termios) { mute.Lflag &^= unix.ECHO })
}

func setTerminal(in io.Reader, set func(*unix.Termios)) (restore func(), err error) {
	fd := descriptor(in)
	was, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, errNoTerminal
	}
	changed := *was
	set(&changed)
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &changed); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, was) }, nil
}

// descriptor is the file that somebody may sit at, -1 of what is none.
func descriptor(end any) int {
	if file, ok := end.(interface{ Fd() uintptr }); ok {
		return int(file.Fd())
	}
	return -1
}

// isTerminal reports whether somebody sits at the other end.
func isTerminal(end any) bool {
	_, err := unix.IoctlGetTermios(descriptor(end), unix.TCGETS)
	return err == nil
}

// colored reports whether w is a terminal whose user wants colours.
func colored(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

var errNoTerminal = errors.New("-t needs a terminal as standard input: leave it out in a script")

// terminalSize is the size of the terminal, zero of what is none.
func terminalSize(out io.Writer) wire.Size {
	size, err := unix.IoctlGetWinsize(descriptor(out), unix.TIOCGWINSZ)
	if err != nil {
		return wire.Size{}
	}
	return wire.Size{Width: size.Col, Height: size.Row}
}

// output is standard output, which tells at the end that not all could be written
// to it: what a script asked for on a full disk must not look like an answer.
type output struct {
	file *os.File
	once sync.Once
	err  error // the first; to be read when nobody writes any more
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.file.Write(p)
	if err != nil {
		o.once.Do(func() { o.err = err })
	}
	return n, err
}

// Fd is for [descriptor].
func (o *output) Fd() uintptr { return o.file.Fd() }
