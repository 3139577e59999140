package exposition

import (
	"fmt"
	"strings"
	"testing"
)

// TestSyntaxErrors wants what was found, where, and what to write instead.
func TestSyntaxErrors(t *testing.T) {
	const names, label = "; names consist of letters, digits, _ and :", "; label names consist of letters, digits and _"
	const timed = "; pushed metrics must not have timestamps: leave the timestamp out"
	for body, want := range map[string]string{
		// A name ends where it has to.
		"my.metric 1\n":             `the metric name ends after "my", found '.'` + names + `; write my_metric, or {"my.metric"} with --push.enable-utf8-names`,
		"my-metric 1\n":             `the metric name ends after "my", found '-'` + names + `; write my_metric, or {"my-metric"} with --push.enable-utf8-names`,
		"my.metric{a=\"b\"} 1\n":    `the metric name ends after "my", found '.'` + names + `; write my_metric, or {"my.metric"} with --push.enable-utf8-names`,
		"é 1\n":                     `expected a metric name, found 'é'; a name begins with a letter, _ or :; write {"é"} with --push.enable-utf8-names`,
		"1m 1\n":                    `expected a metric name, found '1'; a name begins with a letter, _ or :`,
		"m[a=\"1\"] 1\n":            `the metric name ends after "m", found '['; put labels between { and }`,
		"m(a=\"1\") 1\n":            `the metric name ends after "m", found '('; put labels between { and }`,
		"ma=\"1\"} 1\n":             `the metric name ends after "ma", found '='; the opening brace before the labels is missing`,
		"42\n":                      `expected a metric name, found only the value 42; write a name before it, as in my_metric 42`,
		"42 m\n":                    `expected a metric name, found the value 42; the name comes first, so write m 42`,
		"// note\n":                 `expected a metric name, found '/'; a comment begins with #`,
		"-e m 1\n":                  `expected a metric name, found the option -e of echo, which this shell prints; use printf`,
		"# TYPE m{a=\"1\"} gauge\n": `the metric name ends after "m", found '{'; a TYPE line must not have labels`,
		"m=1\n":                     `the metric name ends after "m", found '='; put a space between name and value`,
		"m,1\n":                     `the metric name ends after "m", found ','; put a space between name and value`,
		"m\u00a01\n":                `the metric name ends after "m", found whitespace that is not ASCII, '\u00a0'` + names,
		"\ufeffm 1\n":               `expected a metric name, found a byte order mark, '\ufeff'; a name begins with a letter, _ or :`,
		"m\x1b[31m 1\n":             `the metric name ends after "m", found '\x1b'` + names,
		"\xff 1\n":                  `expected a metric name, found the byte 0xff, which is not UTF-8; a name begins with a letter, _ or :`,
		"# TYPE my.metric gauge\n":  `the metric name ends after "my", found '.'` + names + `; write my_metric, or {"my.metric"} with --push.enable-utf8-names`,
		"# HELP 1m Help.\n":         `expected a metric name after HELP, found '1'; a name begins with a letter, _ or :`,
		"{m.x} 1\n":                 `expected ',' or '}' after the name "m", found '.'; write m_x, or {"m.x"} with --push.enable-utf8-names`,
		"{a=\"1\"} 1\n":             `no metric name in "{a=\"1\"} 1"; put it before the brace`,

		// Labels.
		"m{p=\"say \"hi\"\"} 1\n":   `expected ',' or '}' after the value of label "p", found 'h'; write a quote in a value as \"`,
		"m{a-b=\"1\"} 1\n":          `expected '=' after label name "a", found '-'` + label + `; write a_b, or "a-b" with --push.enable-utf8-names`,
		"m{a:b=\"1\"} 1\n":          `expected '=' after label name "a", found ':'` + label,
		"m{é=\"1\"} 1\n":            `expected a label name or '}', found 'é'; a label name begins with a letter or _; write "é" with --push.enable-utf8-names`,
		"m{a=b} 1\n":                `expected '"' at the start of the value of label "a", found 'b'; put values in double quotes, as in a="…"`,
		"m{a='b'} 1\n":              `expected '"' at the start of the value of label "a", found '\''; put values in double quotes, as in a="…"`,
		"m{a=“b”} 1\n":              `expected '"' at the start of the value of label "a", found a typographic quote, '“'; put values in double quotes, as in a="…"`,
		"m{\"\x1b\"=} 1\n":          `expected '"' at the start of the value of label "\x1b", found '}'; put values in double quotes, as in "\x1b"="…"`,
		"m{a} 1\n":                  `expected '=' after label name "a", found '}'; write a="…"`,
		"m{a \"1\"} 1\n":            `expected '=' after label name "a", found '"'; write a="…"`,
		"m{a b=\"1\"} 1\n":          `expected '=' after label name "a", found 'b'` + label + `; write a_b, or "a b" with --push.enable-utf8-names`,
		"m{a:\"1\"} 1\n":            `expected '=' after label name "a", found ':'; write a="…"`,
		"m{a: \"1\"} 1\n":           `expected '=' after label name "a", found ':'; write a="…"`,
		"m{\"a\":\"1\"} 1\n":        `expected '=' after label name "a", found ':'; write a="…"`,
		"m{a!=\"1\"} 1\n":           `expected '=' after label name "a", found '!'; that is a query: in a sample each label has one value, as in a="…"`,
		"m{a=\"1\",a=\"2\"} 1\n":    `duplicate label name "a"; keep one, or rename the other`,
		"m{__name__=\"n\"} 1\n":     `label name "__name__" is reserved; put the metric name before the brace`,
		"m{=\"1\"} 1\n":             `expected a label name, found '='; write name="value"`,
		"m{a=\"1\" 1\n":             `expected ',' or '}' after the value of label "a", found '1'; the closing brace is missing`,
		"m{a=\"1\"\n":               `expected ',' or '}' after the value of label "a", found the end of the line; the closing brace is missing`,
		"m{\n":                      `expected a label name or '}', found the end of the line; the closing brace is missing`,
		"m{ 1\n":                    `expected a label name or '}', found '1'; the closing brace is missing`,
		"m{a=\"1\" b=\"2\"} 1\n":    `expected ',' or '}' after the value of label "a", found 'b'; put a comma between labels`,
		"m{a=\"1\";b=\"2\"} 1\n":    `expected ',' or '}' after the value of label "a", found ';'; put a comma between labels`,
		"m{a=\"1\",,b=\"2\"} 1\n":   `expected a label name, found ','; put one comma between labels`,
		"m{a=\"1} 1\n":              `the value of label "a" has no closing quote on its line; write a newline in a value as \n`,
		"m{a=\"C:\\data\"} 1\n":     `invalid escape sequence: a backslash before 'd'; write a backslash as \\`,
		"m{a=\"C:\\\xc3\xa9\"} 1\n": `invalid escape sequence: a backslash before 'é'; write a backslash as \\`,
		"m{a=\"\xe9\"} 1\n":         `the value "\xe9" of label "a" is not valid UTF-8; write the text as UTF-8`,
		"m a=\"1\"} 1\n":            `expected a number as value, got "a=\"1\"}"; the opening brace before the labels is missing`,
		"m{a=\"1\"}} 1\n":           `expected a number as value, got "}"; there is an extra brace`,

		// Values and what follows them.
		"m\n":                        `expected a number as value, found the end of the line`,
		"m{a=\"1\"}\n":               `expected a number as value, found the end of the line`,
		"m up\n":                     `expected a number as value, got "up"`,
		"m $VALUE\n":                 `expected a number as value, got "$VALUE"; maybe a template was not filled in`,
		"m {{ v }}\n":                `expected a label name or '}', found '{'; maybe a template was not filled in`,
		"m 0b11\n":                   `expected a number as value, got "0b11"; write decimal digits, without _`,
		"m 1":                        `the last line has no newline at its end; add one`,
		"# HELP m Help.":             `the last line has no newline at its end; add one`,
		"m x":                        `expected a number as value, got "x"`,
		"m x\n":                      `expected a number as value, got "x"`,
		"my metric 1\n":              `expected a number as value, got "metric"; names must not contain spaces`,
		"m 1,5\n":                    `expected a number as value, got "1,5"; write the decimals after a point, without separators between thousands`,
		"m 1_000\n":                  `expected a number as value, got "1_000"; write decimal digits, without _`,
		"m 0x10\n":                   `expected a number as value, got "0x10"; write decimal digits, without _`,
		"m 5ms\n":                    `expected a number as value, got "5ms"; values must not have units`,
		"m 1e400\n":                  `expected a number as value, got "1e400"; it is out of range for a 64-bit float`,
		"m true\n":                   `expected a number as value, got "true"; write 1 or 0`,
		"m None\n":                   `expected a number as value, got "None"; leave out the line if there is no value, or write NaN`,
		"m \"1\"\n":                  `expected a number as value, got "\"1\""; do not quote values`,
		"m −1\n":                     `expected a number as value, got "−1"; it contains a typographic dash, '−'`,
		"m = 1\n":                    `expected a number as value, got "="; put only a space between name and value`,
		"m 1; n 2\n":                 `expected a number as value, got "1;"; nothing may follow the value`,
		"m 1 \n":                     `found spaces at the end of the line; remove them`,
		"m 1 5 \n":                   `found spaces after the timestamp; pushed metrics must not have timestamps: leave the timestamp out`,
		"m 1 1.5\n":                  `expected the end of the line after the value, found "1.5"` + timed,
		"m 1 2 3\n":                  `expected the end of the line after the value, found "2 3"` + timed,
		"m 1 2026-01-01T00:00Z\n":    `expected the end of the line after the value, found "2026-01-01T00:00Z"` + timed,
		"m 1 n 2\n":                  `expected the end of the line after the value, found "n 2"; put each sample on its own line`,
		"m 5 ms\n":                   `expected the end of the line after the value, found "ms"; values must not have units`,
		"m 1 {a=\"1\"}\n":            `expected the end of the line after the value, found "{a=\"1\"}"; put labels between name and value`,
		"m 1 // note\n":              `expected the end of the line after the value, found "// note"; put the comment on its own line, starting with #`,
		"m 1{a=\"1\"}\n":             `expected a number as value, got "1{a=\"1\"}"; put labels between name and value`,
		"m{a=\"1\"} 1m{a=\"2\"} 2\n": `expected a number as value, got "1m{a=\"2\"}"; put each sample on its own line`,
		"my m{a=\"1\"} 1\n":          `expected a number as value, got "m{a=\"1\"}"; names must not contain spaces`,
		"m{}{a=\"1\"} 1\n":           `expected a number as value, got "{a=\"1\"}"; put all labels into one pair of braces`,
		"m 1,\n":                     `expected a number as value, got "1,"; nothing may follow the value`,
		"m 1'000\n":                  `expected a number as value, got "1'000"; write the decimals after a point, without separators between thousands`,
		"m 1.000,5\n":                `expected a number as value, got "1.000,5"; write the decimals after a point, without separators between thousands`,
		"m 5€\n":                     `expected a number as value, got "5€"; values must not have units`,
		"m 5°C\n":                    `expected a number as value, got "5°C"; values must not have units`,
		"m yes\n":                    `expected a number as value, got "yes"; write 1 or 0`,
		"m `date`\n":                 "expected a number as value, got \"`date`\"; maybe a template was not filled in",
		"m <nil>\n":                  `expected a number as value, got "<nil>"; leave out the line if there is no value, or write NaN`,
		"m -> 1\n":                   `expected a number as value, got "->"; put only a space between name and value`,
		"# TYPE h histogram\nh_bucket{le=\"0,5\"} 1\n": `expected a number as value of label "le", got "0,5"; it must be the upper bound of the bucket, as in le="0.5" or le="+Inf"`,
		"# TYPE s summary\ns{quantile=\"p99\"} 1\n":    `expected a number as value of label "quantile", got "p99"; it must be a number from 0 to 1, as in quantile="0.99"`,
		"m 1 # note\n":            `found a comment after the value, "# note"; put it on its own line`,
		"m 1 # {a=\"b\"} 1\n":     `found an exemplar, "# {a=\"b\"} 1", which only OpenMetrics and protobuf have; leave it out, or push one of these`,
		"m 1 1.5 # {a=\"b\"} 1\n": `found a timestamp and an exemplar after the value, "1.5 # {a=\"b\"} 1", as in OpenMetrics; the text format does not have them, so leave them out`,

		// Types.
		"# TYPE m info\n":        `unknown metric type "info"; that is a type of OpenMetrics; use gauge`,
		"# TYPE m unknown\n":     `unknown metric type "unknown"; that is a type of OpenMetrics; use untyped`,
		"# TYPE m guage\n":       `unknown metric type "guage"; use counter, gauge, histogram, summary, untyped or gaugehistogram`,
		"# TYPE gauge m\n":       `unknown metric type "m"; the name comes first, so write # TYPE m gauge`,
		"# TYPE m gauge,\n":      `unknown metric type "gauge,"; end the line after gauge`,
		"# TYPE n gauge\n":       `TYPE line for metric name "n" after its first sample; put it before all of them`,
		"# TYPE m gauge  \n":     `unknown metric type "gauge  "; end the line after gauge`,
		"# TYPE m counter # c\n": `unknown metric type "counter # c"; end the line after counter`,
	} {
		p := GetParser()
		_, err := p.ParseText([]byte("n 1\n" + body))
		line := 1 + max(strings.Count(body, "\n"), 1)
		if err == nil || err.Error() != fmt.Sprintf("line %d: %s", line, want) {
			t.Errorf("%q:\n got %v\nwant line %d: %s", body, err, line, want)
		}
		p.Release()
	}
}
