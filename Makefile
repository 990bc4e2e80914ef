# The two commands of the README are "make demo" and "make test".

GO      ?= go
PREFIX  ?= /usr/local
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

export CGO_ENABLED = 0

.PHONY: build install demo test race lint fetch bench clean

build:
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/swarmgit ./cmd/swarmgit
	$(GO) build -trimpath -ldflags '-s -w' -o bin/demo-app ./examples/demo/app

# For root, after "make build": root's PATH may hold no Go.
install:
	install -D -t $(DESTDIR)$(PREFIX)/bin bin/swarmgit bin/demo-app

# Shows the main job on real parts; "make demo ARGS=--keep" leaves it running.
# Where containers cannot be had, and git is here, its tasks are plain processes.
demo:
	.ci/prerequisites || command -v git
	$(MAKE) --no-print-directory build
	bin/swarmgit demo $(ARGS)

test:
	.ci/prerequisites ip mkfs.ext4 curl jq
	$(GO) test -count=1 -timeout 30m ./...

# Needs a C compiler. What only starts real containers is left to "make test".
race: export CGO_ENABLED = 1
race:
	$(GO) test -race -count=1 -timeout 30m ./reconciler/... ./runtime/agent ./runtime/identity ./runtime/task ./runtime/logkeeper ./specs/... ./schema

lint:
	@unformatted=$$(gofmt -l cmd examples reconciler runtime schema specs); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# What building, testing and lint need from the network.
fetch:
	$(GO) list -deps -test ./... >/dev/null
	$(GO) run $(STATICCHECK) -version

bench:
	.ci/prerequisites
	$(MAKE) --no-print-directory build
	$(GO) test -run '^$$' -bench . -benchtime 1x ./...

clean:
	rm -rf bin
