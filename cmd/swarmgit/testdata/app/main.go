// Command app is what the containers of the tests run. Its argument says how it
// behaves; without one it waits to be told to leave.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	behaviour := "wait"
	if len(os.Args) > 1 {
		behaviour = os.Args[1]
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
