package config_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"pushgateway/internal/config"
)

// FuzzParse reads any text. A mistake has a place in the file, and a line of its
// own.
func FuzzParse(f *testing.F) {
	f.Add(example)
	for content := range mistakes {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		if strings.Contains(content, "/dev") {
			t.Skip("a secret from a device may never end")
		}
		c, err := config.Parse(filepath.Join(t.TempDir(), "config.yml"), []byte(content))
		var mistakes config.Errors
		switch {
		case err == nil:
			c.Rules.For(key(t, "a"))
			c.Jobs.For(key(t, "a"))
		case !errors.As(err, &mistakes) || len(mistakes) == 0:
			t.Errorf("got the error %v", err)
		}
		for _, m := range mistakes {
			if m.Line == 0 || strings.Contains(m.Error(), "\n") {
				t.Errorf("%q has no place, or several lines", m)
			}
		}
	})
}
