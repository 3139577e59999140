package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pushgateway/internal/config"
	"pushgateway/internal/guard"
)

// page returns the page about the configuration file.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// row is a row of a table of keys.
var row = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (.+?) \\| ")

// section returns what follows a heading.
func section(page, heading string) string {
	_, after, _ := strings.Cut(page, "\n"+heading+"\n")
	before, _, _ := strings.Cut(after, "\n#")
	return before
}

// TestKeysInDocs compares the tables of keys with what a file can have.
func TestKeysInDocs(t *testing.T) {
	page := page(t)
	for heading, of := range map[string]any{
		"## limits": config.Limits{}, "## rules": config.Rule{}, "## jobs": config.JobRule{}, "## access": config.Access{}, "### users": config.User{},
		"## cluster": config.Cluster{}, "### tls": config.ClusterTLS{},
	} {
		var listed, known []string
		for _, m := range row.FindAllStringSubmatch(section(page, heading), -1) {
			listed = append(listed, m[1])
		}
		for field := range reflect.TypeOf(of).Fields() {
			name, option, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if name == "-" {
				continue
			}
			known = append(known, name)
			if (option == "required") != strings.Contains(section(page, heading), "| `"+name+"` | required |") {
				t.Errorf("%s: the page does not say whether %s is required", heading, name)
			}
		}
		if slices.Sort(listed); !slices.Equal(listed, slices.Sorted(slices.Values(known))) {
			t.Errorf("%s: the page has %q, a file %q", heading, listed, known)
		}
	}
}

// TestDefaultsInDocs sets each limit to the default that the page gives.
func TestDefaultsInDocs(t *testing.T) {
	const none = "none"
	usual := guard.Limits{}.WithDefaults()
	for _, m := range row.FindAllStringSubmatch(section(page(t), "## limits"), -1) {
		key, value := m[1], strings.Trim(m[2], "`")
		if value == none {
			continue
		}
		c, err := config.Parse("config.yml", []byte("limits: {"+key+": "+value+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Limits.Over(guard.Limits{}).WithDefaults(); !reflect.DeepEqual(got, usual) {
			t.Errorf("%s: its default is not %s", key, value)
		}
		if c, err = config.Parse("config.yml", []byte("limits: {"+key+": 2000}\n")); err != nil {
			t.Fatal(err)
		}
		if got := c.Limits.Over(guard.Limits{}).WithDefaults(); reflect.DeepEqual(got, usual) {
			t.Errorf("%s sets nothing", key)
		}
	}
}

// TestExamplesInDocs reads the files that the page shows.
func TestExamplesInDocs(t *testing.T) {
	dir, found := t.TempDir(), 0
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(t), -1) {
		found++
		for _, secret := range regexp.MustCompile(`_file: (\S+)`).FindAllStringSubmatch(m[1], -1) {
			if err := os.WriteFile(filepath.Join(dir, secret[1]), []byte("secret"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := config.Parse(filepath.Join(dir, "gateway.yml"), []byte(m[1])); err != nil {
			t.Error(err)
		}
	}
	if found == 0 {
		t.Error("the page shows no file")
	}
}
