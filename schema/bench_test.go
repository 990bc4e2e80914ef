package schema

import (
	"context"
	"fmt"
	"os"
	"testing"
	"testing/fstest"
)

// repository has as many stacks of a usual size as asked for.
func repository(stacks int) fstest.MapFS {
	tree := fstest.MapFS{}
	for i := range stacks {
		tree[fmt.Sprintf("stacks/stack%d/stack.yml", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, `version: "3.8"
services:
  web:
    image: registry.example/web:%d
    environment: {LOG_LEVEL: info, REGION: eu, DATABASE_URL: postgres://db/shop}
    volumes: ["/srv/data:/data", "/etc/web:/etc/web:ro"]
    deploy:
      replicas: 3
      update_config: {parallelism: 2, delay: 10s}
      restart_policy: {condition: on-failure, max_attempts: 3}
      placement: {constraints: ["node.labels.zone == b"]}
      resources: {limits: {cpus: "0.5", memory: 512M}, reservations: {memory: 256M}}
  worker:
    image: registry.example/worker:%d
    command: worker --queue default
    deploy: {replicas: 2}
  db:
    image: postgres:18
    environment: [POSTGRES_DB=shop]
`, i, i)}
	}
	return tree
}

// BenchmarkLoad500 loads a repository of 500 stacks as the first push does, and
// with one stack changed, as all later ones.
func BenchmarkLoad500(b *testing.B) {
	dir := b.TempDir()
	if err := os.CopyFS(dir, repository(500)); err != nil {
		b.Fatal(err)
	}
	tree := os.DirFS(dir)
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			if r := Load(context.Background(), tree, Options{}); len(r.Problems) > 0 || len(r.Stacks) != 500 {
				b.Fatal(r.Problems)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/500, "us/file")
	})
	b.Run("one-changed", func(b *testing.B) {
		loader := NewLoader()
		loader.Load(context.Background(), tree, Options{})
		for i := 0; b.Loop(); i++ {
			write(b, dir, "stacks/stack7/stack.yml", fmt.Sprintf("services: {web: {image: \"nginx:%d\"}}", i))
			if r := loader.Load(context.Background(), tree, Options{}); len(r.Problems) > 0 {
				b.Fatal(r.Problems)
			}
		}
	})
}
