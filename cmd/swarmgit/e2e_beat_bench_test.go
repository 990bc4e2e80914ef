package main

import (
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/swarmgit/swarmgit/specs"
)

// beatSize is about how long a heartbeat and its answer are, in bytes.
const beatSize = 48

// beatsVariable makes the test binary so many bare nodes as BenchmarkScale has
// workers: its value is the address of who hears them.
const beatsVariable = "SWARMGIT_TEST_BEATS"

// runBeats writes and reads a few bytes over TLS where a node would send a
// heartbeat, and does nothing else. It ends when it is killed.
func runBeats(addr string) {
	var beating sync.WaitGroup
	for range scaleAgents {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}) // it has nothing to tell
		if err != nil {
			return // who listened has gone
		}
		beating.Go(func() {
			beat := make([]byte, beatSize)
			for {
				time.Sleep(specs.DefaultHeartbeat*9/10 + rand.N(specs.DefaultHeartbeat/5))
				if _, err := conn.Write(beat); err != nil {
					return
				}
				if _, err := io.ReadFull(conn, beat); err != nil {
					return
				}
			}
		})
	}
	beating.Wait()
}

// bareBeats is what it costs this process to hear and answer the beats of as many
// nodes as BenchmarkScale has for the time scaleIdle, at the same pace: a connection
// and a goroutine of each, a read and a write. They come at any time, where a leader
// tells its nodes to come together.
func bareBeats(b *testing.B) time.Duration {
	b.Helper()
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS13})
	if err != nil {
		b.Fatal(err)
	}
	nodes := exec.Command(executable())
	nodes.Env = append(os.Environ(), beatsVariable+"="+listener.Addr().String())
	if err := nodes.Start(); err != nil {
		b.Fatal(err)
	}
	var heard sync.WaitGroup
	defer heard.Wait()
	defer func() {
		_ = nodes.Process.Kill() // every connection ends with it
		_ = nodes.Wait()
	}()
	defer listener.Close()
	for range scaleAgents {
		conn, err := listener.Accept()
		if err != nil {
			b.Fatal(err)
		}
		heard.Go(func() { echo(conn) })
	}
	time.Sleep(2 * specs.DefaultHeartbeat) // handshakes are over
	before := cpuTime(b, os.Getpid())
	time.Sleep(scaleIdle)
	return cpuTime(b, os.Getpid()) - before
}

func echo(conn net.Conn) {
	defer conn.Close()
	beat := make([]byte, beatSize)
	for {
		if _, err := io.ReadFull(conn, beat); err != nil {
			return
		}
		if _, err := conn.Write(beat); err != nil {
			return
		}
	}
}

// beatsIn is how many heartbeats the nodes send in that time.
func beatsIn(d time.Duration) float64 {
	return scaleAgents * d.Seconds() / specs.DefaultHeartbeat.Seconds()
}
