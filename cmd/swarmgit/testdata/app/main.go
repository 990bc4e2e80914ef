// Command app is what the containers of the tests run. Its argument says how it
// behaves; without one it waits to be told to leave.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// command does what is run beside the task's own process.
func command(args []string) bool {
	if len(args) == 0 {
		return false
	}
	switch args[0] {
	case "check": // well unless an argument or a mark says no
		words := strings.Join(args[1:], " ")
		if _, err := os.Stat("/mark"); err == nil {
			words = "marked"
		}
		if words != "" {
			fmt.Println("no good: " + words)
			os.Exit(3)
		}
	case "mark":
		if err := os.WriteFile("/mark", nil, 0o600); err != nil {
			panic(err)
		}
	case "copy":
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			panic(err)
		}
	case "version":
		fmt.Println(os.Getenv("VERSION"))
	default:
		return false
	}
	return true
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	behaviour := "wait"
	if len(os.Args) > 1 {
		behaviour = os.Args[1]
	}
	if command(os.Args[1:]) {
		return
	}
	fmt.Println("hello from " + os.Getenv("VERSION"))
	switch behaviour {
	case "eat": // until the memory limit ends it
		var eaten [][]byte
		for {
			bite := make([]byte, 1<<20)
			for i := 0; i < len(bite); i += 4096 {
				bite[i] = 1
			}
			eaten = append(eaten, bite)
			_ = eaten
		}
	case "count": // a line each tenth of a second
		for i := 1; ; i++ {
			fmt.Fprintln(os.Stderr, "line "+strconv.Itoa(i))
			select {
			case <-time.After(100 * time.Millisecond):
			case <-stop:
				return
			}
		}
	}
	<-stop
}
