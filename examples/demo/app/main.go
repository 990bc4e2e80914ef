// Command app is what the demo's containers run: it greets, says from time to
// time that it is there, and leaves when it is told to. With the argument "hello" it
// greets and is done.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	fmt.Printf("%s, version %s\n", os.Getenv("GREETING"), os.Getenv("VERSION"))
	if len(os.Args) > 1 && os.Args[1] == "hello" {
		return
	}
	for tick := time.NewTicker(10 * time.Second); ; {
		select {
		case <-tick.C:
			fmt.Println("still here")
		case <-stop:
			fmt.Println("bye")
			return
		}
	}
}
