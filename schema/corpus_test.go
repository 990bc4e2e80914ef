package schema

import (
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// corpus is a folder of real stack files with an index that says which of them
// `docker stack deploy` accepts.
const corpus = "../../shared/corpus"

// TestCorpus holds the promise that what Swarm accepts is accepted, and what it
// refuses is refused.
func TestCorpus(t *testing.T) {
	index, err := os.Open(filepath.Join(corpus, "index.tsv"))
	if err != nil {
		t.Skip("no corpus here: ", err)
	}
	defer index.Close()
	table := csv.NewReader(index)
	table.Comma, table.LazyQuotes = '\t', true
	rows, err := table.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		t.Run(row[0], func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(corpus, row[0]))
			if err != nil {
				t.Fatal(err)
			}
			tree := fstest.MapFS{"stacks/it.yml": {Data: data}}
			got := Load(context.Background(), tree, Options{})
			for range 2 { // a value names one missing variable at a time
				env := append(fileData(tree, "stacks/.env"), missing(got)...)
				tree["stacks/.env"] = &fstest.MapFile{Data: env}
				got = Load(context.Background(), tree, Options{})
			}
			var refusals []string
			for _, p := range got.Refusals(true) {
				// What the file refers to is not part of the corpus.
				// Every variable is 1 here, so that targets are equal which are not.
				if !strings.HasSuffix(p.Message, "is not in the repository") && !strings.HasPrefix(p.Message, "something else of the service is at /run/secrets/1 ") && !strings.Contains(p.Message, errOutside.Error()) {
					refusals = append(refusals, p.String())
				}
			}
			if accepts := row[5] == "yes"; accepts != (len(refusals) == 0) {
				t.Errorf("docker accepts it: %v; we say:\n%s", accepts, strings.Join(refusals, "\n"))
			}
		})
	}
}

func fileData(tree fstest.MapFS, name string) []byte {
	if f := tree[name]; f != nil {
		return f.Data
	}
	return nil
}

// missing is an env file that sets every variable which the result misses, to
// something that fits where such names are used.
func missing(r Result) []byte {
	var env strings.Builder
	for _, p := range append(r.Problems, r.Warnings...) {
		found := missed.FindStringSubmatch(p.Message)
		if found == nil {
			continue
		}
		name, value := found[1]+found[2], "1"
		switch {
		case folderName.MatchString(name):
			value = "/srv"
		case strings.Contains(name, "CONSTRAINT"):
			value = "node.role==manager"
		}
		env.WriteString(name + "=" + value + "\n")
	}
	return []byte(env.String())
}

var (
	missed     = regexp.MustCompile(`^(?:\$\{(\w+)\} is not set|(\w+) must be set in .env)`)
	folderName = regexp.MustCompile(`PATH|ROOT|_DIR|__DATA|CONFIGS|HOME`)
)
