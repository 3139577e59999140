package jobrun

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pushgateway/internal/exposition"
)

// metricsFile is the file for the command's own metrics.
type metricsFile struct {
	path   string
	dir    string      // to be removed; "" if the user named the file
	before os.FileInfo // the file before the command ran, nil if there was none
}

// newMetricsFile returns the file at path, or a temporary one.
func newMetricsFile(path string) (*metricsFile, error) {
	if path != "" {
		before, err := os.Stat(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &metricsFile{}, err
		}
		return &metricsFile{path: path, before: before}, nil
	}
	dir, err := os.MkdirTemp("", "pushgateway-run-")
	if err != nil {
		return &metricsFile{}, err
	}
	return &metricsFile{path: filepath.Join(dir, "metrics.prom"), dir: dir}, nil
}

func (m *metricsFile) close() {
	if m.dir != "" {
		_ = os.RemoveAll(m.dir) // what is left lies in the directory for temporary files
	}
}

// read returns what the command has written, checked and with line endings
// fixed. A file that was there before the command, and has not changed, does
// not count.
func (m *metricsFile) read(prefix string) ([]byte, error) {
	if m.path == "" {
		return nil, nil
	}
	now, err := os.Stat(m.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case m.before != nil && os.SameFile(m.before, now) && m.before.ModTime().Equal(now.ModTime()) && m.before.Size() == now.Size():
		return nil, fmt.Errorf("%s was not changed by this run", m.path)
	}
	b, err := os.ReadFile(m.path)
	if err != nil {
		return nil, err
	}
	b = exposition.MendNewlines(b)
	if err := m.check(b, prefix); err != nil {
		return nil, err
	}
	return b, nil
}

// check finds what would make the gateway refuse the push.
func (m *metricsFile) check(b []byte, prefix string) error {
	p := exposition.GetParser()
	defer p.Release()
	families, err := p.ParseText(b)
	if err != nil {
		return fmt.Errorf("%s: %w", m.path, err)
	}
	for _, f := range families {
		if name, ok := strings.CutPrefix(f.Name, prefix); ok && taken[name] {
			return fmt.Errorf("%s: the run itself pushes the family %s; rename it, or choose another --prefix", m.path, f.Name)
		}
	}
	return nil
}

// taken are the metric names of a report, without the prefix.
var taken = map[string]bool{
	"last_start_timestamp_seconds": true, "last_completion_timestamp_seconds": true, "last_success_timestamp_seconds": true,
	"expected_interval_seconds": true, "running": true, "exit_code": true, "duration_seconds": true, "cpu_seconds": true, "max_resident_memory_bytes": true,
}
