# make run     build and serve on :9091; make run ARGS=--web.listen-address=:9191 elsewhere
# make build   the binary of this machine, ./pushgateway
# make test    all tests; on Debian as root it installs what they need
# make check   formats, go vet and staticcheck alone
# make fuzz    minutes of fuzzing (FUZZTIME=2m for each fuzz test), and as long a search for requests that cost much
# make release binaries, archives, packages and images of all platforms, and the chart, in dist/;
#              URL=https://github.com/someone/pushgateway REGISTRY=ghcr.io/someone say where they are published
# make release-test   all of it twice, byte for byte the same, and binaries of other machines under emulation;
#              and what Prometheus stores of OTLP and of sums; takes minutes
# make siege   gateways of a cluster while servers and networks fail, for two hours (SIEGETIME=1h for each half)
# make man     write docs/man/pushgateway.1 anew
# make bench   this gateway, a bare server and Debian's pushgateway side by side
# make screenshots   the pictures in docs/images; takes ten minutes of pushing
# make clean   remove what these made
# make help    this text

FUZZTIME ?= 2m
SIEGETIME ?= 1h
PKG      := github.com/prometheus/common/version
LDFLAGS  := -s -w -X $(PKG).Branch=$(shell git rev-parse --abbrev-ref HEAD 2>/dev/null)

.PHONY: help run build test some-fuzz test-32bit check fuzz man screenshots bench release release-test siege clean

run: build # what make alone does
	./pushgateway $(ARGS)

help:
	@sed -n 's/^# //p; /^$$/q' Makefile

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o pushgateway ./cmd/pushgateway

check:
	@unformatted=$$(gofmt -l cmd internal attack e2e browser crash bench third_party tools); test -z "$$unformatted" || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	go vet ./...
	go -C tools vet ./...
	go tool staticcheck ./...
	scripts/vulncheck

# With the flags of a release, so that nothing is compiled twice: see scripts/test.
test: export CGO_ENABLED = 0
test: export GOFLAGS += -trimpath
test:
	scripts/test-deps
	$(MAKE) --no-print-directory -j3 --output-sync=target check some-fuzz test-32bit
	scripts/test

some-fuzz:
	scripts/fuzz 2000x

test-32bit:
	scripts/test-32bit

fuzz:
	scripts/fuzz $(FUZZTIME)
	go test ./attack -count=1 -timeout 0 -run TestSearchCosts -costs.search $(FUZZTIME)
	go test ./e2e -count=1 -run TestReloadUnderLoad -reloads.many

release:
	go -C tools run ./release -url '$(URL)' -registry '$(REGISTRY)'

release-test:
	scripts/test-deps
	go -C tools test -count=1 -timeout 30m ./release -release.full
	go test ./e2e -count=1 -timeout 30m -run TestPrometheusStartTimes -prometheus3 build
	go -C tools/prometheus test -count=1 -timeout 30m ./otlp

siege:
	scripts/test-deps
	go test ./e2e -count=1 -timeout 0 -run 'TestSiege$$|TestClusterLeaderLost|TestClusterDiskFull' -siege $(SIEGETIME) -cluster.faults
	go test ./internal/natsjournal -count=1 -timeout 0 -run 'TestHistory$$' -history $(SIEGETIME)

man: build
	./pushgateway man > docs/man/pushgateway.1

screenshots:
	scripts/test-deps
	go test ./browser -count=1 -run TestScreenshots -timeout 30m -screenshots ../docs/images

bench:
	go run ./bench -update

clean:
	rm -rf pushgateway dist
	go clean -testcache
