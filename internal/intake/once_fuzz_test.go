package intake_test

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"pushgateway/internal/gateway"
	"pushgateway/internal/intake"
)

var (
	// quotedKey is a String of RFC 8941, as the IETF's draft has the header.
	quotedKey = regexp.MustCompile(`^"((?:[ !#-\[\]-~]|\\["\\])*)"$`)
	// bareKey is what clients send without quotes.
	bareKey = regexp.MustCompile(`^[!#-+\--:<-\[\]-~]+$`)
	escaped = strings.NewReplacer(`\\`, `\`, `\"`, `"`)
	escape  = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
)

// keyIn returns the key that a header means, or "" if it means none.
func keyIn(header string) string {
	header = strings.Trim(header, " \t")
	key := ""
	if m := quotedKey.FindStringSubmatch(header); m != nil {
		key = escaped.Replace(m[1])
	} else if bareKey.MatchString(header) {
		key = header
	}
	if len(key) > 256 {
		return ""
	}
	return key
}

// FuzzOnceKey pushes with any value of the header, and again with the key that it
// means, in quotes. The two are the same push, and one with another key is not.
func FuzzOnceKey(f *testing.F) {
	for _, header := range []string{
		"8e03978e-40d5-43dd-bc93-6894a57f9324", `"8e03978e-40d5-43dd-bc93-6894a57f9324"`, `""`, `"`, "", ` "a b" `, `"a\"b\\"`, `a\b`, `"a";x=1`, `"a","b"`, "a,b",
		"a b", "order/7:1+2=3", "ü", `"ü"`, "\x00", "\"\x7f\"", strings.Repeat("x", 256), strings.Repeat("x", 257), `"` + strings.Repeat(`\"`, 256) + `"`, "?1", ":YQ==:",
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		g, err := gateway.Open(t.Context(), gateway.Config{Journal: new(gateway.Memory)})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		in := intake.New(g, intake.Config{})
		push := func(header string) (replayed bool, err error) {
			_, err = in.Push(t.Context(), intake.Request{
				Key: "job/a", Query: "merge=sum", Header: http.Header{"Idempotency-Key": {header}}, Body: strings.NewReader("m 1\n"), Length: 4,
				Replayed: func() { replayed = true },
			})
			return replayed, err
		}
		key := keyIn(header)
		_, err = push(header)
		var refused *intake.ParameterError
		switch {
		case key == "" && !errors.As(err, &refused):
			t.Fatalf("%q is not a key, but the push is answered %v", header, err)
		case key == "":
			if !strings.Contains(err.Error(), "Idempotency-Key") {
				t.Errorf("the refusal %q does not name the header", err)
			}
			return
		case err != nil:
			t.Fatalf("%q is the key %q, but the push is answered %v", header, key, err)
		}
		for again, want := range map[string]bool{header: true, `"` + escape.Replace(key) + `"`: true, `"` + escape.Replace(key[1:]) + `x"`: key[1:]+"x" == key} {
			if replayed, err := push(again); err != nil || replayed != want {
				t.Errorf("after %q the push with %q is a replay: %v, %v, want %v", header, again, replayed, err, want)
			}
		}
	})
}
