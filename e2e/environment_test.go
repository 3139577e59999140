package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"pushgateway/internal/testproc"
)

// TestPersistenceFileFromEnvironment sets the default of a flag where flags
// belong to somebody else, as in the unit of the packages.
func TestPersistenceFileFromEnvironment(t *testing.T) {
	for _, c := range []struct {
		name, variable string
		args           []string
		want           string // "" is memory only
	}{
		{"no flag", "default.db", nil, "default.db"},
		{"the flag wins", "default.db", []string{"--persistence.file=given.db"}, "given.db"},
		{"the flag wins in two words", "default.db", []string{"--persistence.file", "given.db"}, "given.db"},
		{"an empty flag wins", "default.db", []string{"--persistence.file="}, ""},
		{"the command by its name", "default.db", []string{"serve"}, "default.db"},
		{"an empty variable", "", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(binary, append(c.args, "--web.listen-address=127.0.0.1:0")...)
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "PUSHGATEWAY_PERSISTENCE_FILE="+c.variable)
			p := testproc.Run(t, cmd)
			s := &server{t: t, addr: p.Addr, base: "http://" + p.Addr, log: p.Log}
			var status struct {
				Data struct{ Flags map[string]string }
			}
			if err := json.Unmarshal([]byte(s.get("/api/v1/status").body), &status); err != nil {
				t.Fatal(err)
			}
			if got := status.Data.Flags["persistence.file"]; got != c.want {
				t.Errorf("/api/v1/status shows --persistence.file=%q, want %q", got, c.want)
			}
			files, err := os.ReadDir(cmd.Dir)
			if err != nil {
				t.Fatal(err)
			}
			if persists := c.want != ""; persists != (len(files) == 1) || persists && files[0].Name() != c.want {
				t.Errorf("files %v, want %q", files, c.want)
			}
		})
	}
}
