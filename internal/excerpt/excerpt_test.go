package excerpt

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"short", `job "a" – ä`, `job "a" – ä`},
		{"a control character", "a\x1b[31mb\n", `a\x1b[31mb\n`},
		{"a character that turns the line around", "a\u202eb\u200b", `a\u202eb\u200b`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"U+FFFD itself", "a\uFFFDb", "a\uFFFDb"},
		{"long", strings.Repeat("a", 300), strings.Repeat("a", 200) + "…"},
		{"cut within a character", strings.Repeat("a", 199) + "äb", strings.Repeat("a", 199) + "…"},
		{"exactly as long", strings.Repeat("a", 200), strings.Repeat("a", 200)},
		{"long and not printed", strings.Repeat("\x00", 300), strings.Repeat(`\x00`, 50) + "…"},
	} {
		if got := Line(c.in, Most); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestOf(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b":                        "a\x1b",
		strings.Repeat("ä", 101):       strings.Repeat("ä", 100) + "…",
		strings.Repeat("a", 201):       strings.Repeat("a", 200) + "…",
		"a" + strings.Repeat("ä", 100): "a" + strings.Repeat("ä", 99) + "…",
		strings.Repeat("\x80", 300):    strings.Repeat("\x80", 200) + "…",
	} {
		if got := Of(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestHandlerCutsWhatLinesSay(t *testing.T) {
	var log strings.Builder
	huge := strings.Repeat("\x1b\u202ehuge", 100_000)
	slog.New(Handler(slog.NewJSONHandler(&log, nil))).Warn("Refused", "path", huge, "err", errors.New("a\n"+huge), "status", 400)
	if line := log.String(); len(line) > 10_000 || strings.ContainsAny(line, "\x1b\u202e") || !strings.Contains(line, `"status":400`) {
		t.Errorf("a line of %d bytes: %.1000q", len(line), line)
	}
}
