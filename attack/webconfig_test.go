package attack

import (
	"os"
	"path/filepath"
	"testing"
)

// webConfig writes a file for --web.config.file.
func webConfig(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
