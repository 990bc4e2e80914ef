package main

import (
	"errors"
	"io"
	"os"
	"strings"

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
	file, ok := in.(*os.File)
	if !ok {
		return nil, errNoTerminal
	}
	fd := int(file.Fd())
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

// isTerminal reports whether somebody sits at the other end.
func isTerminal(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// readLine reads one line and nothing beyond it.
func readLine(in io.Reader) (string, error) {
	var line []byte
	for key := make([]byte, 1); ; {
		if _, err := io.ReadFull(in, key); err != nil {
			return "", err
		}
		if key[0] == '\n' {
			return strings.TrimSuffix(string(line), "\r"), nil
		}
		line = append(line, key[0])
	}
}

var errNoTerminal = errors.New("-t needs a terminal as standard input: leave it out in a script")

// terminalSize is the size of the terminal, zero of what is none.
func terminalSize(out io.Writer) wire.Size {
	file, ok := out.(*os.File)
	if !ok {
		return wire.Size{}
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return wire.Size{}
	}
	return wire.Size{Width: size.Col, Height: size.Row}
}
