// Command app is what the demo's containers run: it greets, says from time to
// time that it is there, and leaves when it is told to.
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
