package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// disks are what programs are built for: those of this machine, but each sync takes
// so much longer.
type disks time.Duration

const (
	asTheyAre disks = 0
	// slowDisks take as long as disks that are reached over a network. With 2 ms, the
	// cores of a small machine, which everything shares, are busy for most of the time.
	slowDisks = disks(5 * time.Millisecond)
)

// natsModule is the module of the servers.
const natsModule = "github.com/nats-io/nats-server/v2"

// build builds a server with such disks. What it needs for that goes to a directory.
func (d disks) build(ctx context.Context, binary, dir string) error {
	args := []string{"build", "-trimpath", "-o", binary}
	if d != asTheyAre {
		modules, err := slowModule(ctx, natsModule, dir, d.slowDownServers)
		if err != nil {
			return fmt.Errorf("making the syncs of nats-server slower: %w", err)
		}
		args = append(args, "-modfile="+modules)
	}
	if out, err := exec.CommandContext(ctx, "go", append(args, natsModule)...).CombinedOutput(); err != nil {
		return fmt.Errorf("building nats-server: %w\n%s", err, out)
	}
	return nil
}

// slowModule copies a module to a directory, makes the syncs of the copy slower, and
// returns the file of modules to build with.
func slowModule(ctx context.Context, module, dir string, slowDown func(copied string) error) (modules string, err error) {
	found, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}\n{{.GoMod}}", module, "pushgateway").Output()
	if err != nil {
		return "", err
	}
	f := strings.Fields(string(found))
	if len(f) != 4 {
		return "", fmt.Errorf("the go command says of its modules %q", found)
	}
	source, ours := f[0], f[3]
	copied := filepath.Join(dir, "src")
	if err := os.CopyFS(copied, os.DirFS(source)); err != nil {
		return "", err
	}
	if err := slowDown(copied); err != nil {
		return "", err
	}
	mod, err := os.ReadFile(ours)
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(strings.TrimSuffix(ours, ".mod") + ".sum")
	if err != nil {
		return "", err
	}
	mod = fmt.Appendf(mod, "\nreplace %s => %s\n", module, copied)
	modules = filepath.Join(dir, "slow.mod")
	return modules, errors.Join(os.WriteFile(modules, mod, 0o600), os.WriteFile(filepath.Join(dir, "slow.sum"), sums, 0o600))
}

// slowDownServers makes the servers take longer to sync messages.
func (d disks) slowDownServers(copied string) error {
	return d.slowDown(filepath.Join(copied, "server", "filestore.go"), "mb.mfd.Sync()")
}

// slowDown puts a pause before each such call in a file, which returns an error.
func (d disks) slowDown(file, call string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(call)) {
		return fmt.Errorf("%s has no %s any more", file, call)
	}
	text = bytes.ReplaceAll(text, []byte(call), fmt.Appendf(nil, "func() error { slow.Sleep(%d); return %s }()", time.Duration(d), call))
	text = bytes.Replace(text, []byte("import ("), []byte("import (\n\tslow \"time\""), 1)
	return os.WriteFile(file, text, 0o600)
}

// wantedRate is what pushes must reach of the rate of the servers alone, where the
// sync binds.
const wantedRate = 0.8

// measureClusterSync measures pushes to a member beside what the servers acknowledge
// where the sync binds both of them.
func (b *bench) measureClusterSync(ctx context.Context) ([]row, error) {
	return b.inCluster(ctx, slowDisks, (*cluster).measureSlowRates)
}

func (c *cluster) measureSlowRates(b *bench) (rows []row, err error) {
	for _, n := range clusterClients {
		var uses [2]uses
		member := func() (float64, error) { return c.metered(b, &uses[0], b.turnAs(c.here, n, false)) }
		alone := func() (float64, error) { return c.metered(b, &uses[1], c.turn(n, b.duration)) }
		rates, err := contest(b.rounds, member, alone)
		if err != nil {
			return nil, err
		}
		rows = append(rows, slowRows(n, rates, uses)...)
	}
	return rows, nil
}

// slowRows are about pushes by n clients with slow disks: the rates of a member and
// of the servers alone, and what these use.
func slowRows(n int, rates []float64, uses [2]uses) []row {
	return []row{
		{
			what: fmt.Sprintf("pushes/s in a cluster, each sync takes %d ms more, clients: %d", time.Duration(slowDisks).Milliseconds(), n), unit: perSecond,
			gateway: rates[0], ceiling: rates[1], goals: []goal{atLeast("0.8 of the ceiling", rates[0], wantedRate, rates[1])},
		},
		{what: "part of the cores that is idle", unit: part, gateway: median(uses[0].idle), ceiling: median(uses[1].idle)},
	}
}
