// Command program is what the tests run in containers: it does what its
// arguments say, one after the other.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	for args := os.Args[1:]; len(args) > 0; args = args[1:] {
		verb, value, _ := strings.Cut(args[0], "=")
		do(verb, value)
	}
}

func do(verb, value string) {
	switch verb {
	case "print":
		fmt.Println(value)
	case "complain":
		fmt.Fprintln(os.Stderr, value)
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "var":
		fmt.Println(os.Getenv(value))
	case "copy":
		_, err := io.Copy(os.Stdout, os.Stdin)
		check(err)
	case "sizes":
		sizes(value)
	case "fork": // something that runs on
		check(exec.Command(os.Args[0], "deaf").Start())
	case "id":
		groups, err := os.Getgroups()
		check(err)
		fmt.Println(os.Getuid(), os.Getgid(), groups)
	case "cat":
		text, err := os.ReadFile(value)
		check(err)
		os.Stdout.Write(text)
	case "write":
		check(os.WriteFile(value, []byte("written\n"), 0o644))
	case "host":
		name, err := os.Hostname()
		check(err)
		fmt.Println(name)
	case "pwd":
		dir, err := os.Getwd()
		check(err)
		fmt.Println(dir)
	case "eat":
		eat(value)
	case "exit":
		os.Exit(number(value))
	case "leave": // a child in a session of its own
		child := exec.Command(os.Args[0], "deaf")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		check(child.Start())
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "sleep": // until a signal; SIGUSR1 exits with 3
		await()
	default:
		check(fmt.Errorf("unknown verb %q", verb))
	}
}

func await() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGQUIT)
	fmt.Println("ready")
	sig := (<-signals).(syscall.Signal)
	if sig == syscall.SIGUSR1 {
		os.Exit(3)
	}
	os.Exit(128 + int(sig))
}

// sizes prints the terminal's size, and again when it changes, until it is last.
func sizes(last string) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	for {
		size, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
		check(err)
		text := fmt.Sprintf("%dx%d", size.Col, size.Row)
		fmt.Println(text)
		if text == last {
			return
		}
		<-changed
	}
}

// eat touches so many MiB of memory.
func eat(value string) {
	var kept [][]byte
	for range number(value) {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	time.Sleep(time.Second)
	fmt.Println(len(kept))
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}
