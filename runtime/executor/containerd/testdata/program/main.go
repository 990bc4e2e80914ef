// Command program is what the tests run in containers: it does what its
// arguments say, one after the other.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
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
