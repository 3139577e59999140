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

// metricsFile is where the command may write metrics of its own.
type metricsFile struct {
	path   string
	dir    string      // to be removed, "" if the file is not ours
	before os.FileInfo // of the file as it was before the command, nil if there was none
}

// newMetricsFile gives the file of that path, or one of our own.
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
		_ = os.RemoveAll(m.dir) // what is left is in the directory for such things
	}
}

// read gives what the command has written, checked. Line ends are mended. What
// was there before the command, and has not been touched, is not its own.
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
		return nil, fmt.Errorf("%s is from before this run", m.path)
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
			return fmt.Errorf("%s: the family %s is one that this command pushes; give it another name, or choose another --prefix", m.path, f.Name)
		}
	}
	return nil
}

// taken are the names that a report has, without the prefix.
var taken = map[string]bool{
	"last_start_timestamp_seconds": true, "last_completion_timestamp_seconds": true, "last_success_timestamp_seconds": true,
	"expected_interval_seconds": true, "running": true, "exit_code": true, "duration_seconds": true, "cpu_seconds": true, "max_resident_memory_bytes": true,
}
