package sniff

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// encoding finds text that is not UTF-8, or begins with a mark.
func (s Sent) encoding() Hint {
	has := func(mark string) bool { return bytes.HasPrefix(s.Body, []byte(mark)) }
	switch {
	case has("\xef\xbb\xbf"):
		rest := s
		rest.Body = s.Body[3:]
		if h := rest.document(); h.Says != "" {
			return h
		}
		return enough("the body begins with a byte order mark: write it as UTF-8 without one")
	case has("\xff\xfe\x00\x00"), has("\x00\x00\xfe\xff"), isUTF32(s.Body):
		return enough("the body is UTF-32: write it as UTF-8, without a byte order mark")
	case has("\xff\xfe"), has("\xfe\xff"), isUTF16(s.Body, 0), isUTF16(s.Body, 1):
		return enough("the body is UTF-16, as PowerShell writes it: write it as UTF-8, without a byte order mark")
	}
	return Hint{}
}

// isLatin tells whether b begins as text in Latin-1 and the like: with bytes
// above ASCII among more that are in it, and no control characters.
func isLatin(b []byte) bool {
	b = b[:min(len(b), head)]
	high := 0
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
		if c >= 0x80 {
			high++
		}
	}
	return high*2 < len(b)
}

// isUTF32 tells whether three of four bytes are NUL, always the same ones.
func isUTF32(b []byte) bool {
	b = b[:min(len(b), 64)&^3]
	if len(b) < 8 {
		return false
	}
	big, little := true, true
	for i, c := range b {
		big = big && (c == 0) == (i%4 != 3)
		little = little && (c == 0) == (i%4 != 0)
	}
	return big || little
}

// isUTF16 tells whether every other byte is a NUL, from the given one on.
func isUTF16(b []byte, zero int) bool {
	b = b[:min(len(b), 64)]
	if len(b) < 4 {
		return false
	}
	for i, c := range b {
		if (c == 0) != (i%2 == zero) {
			return false
		}
	}
	return true
}

// document finds formats that are something else from their beginning on.
func (s Sent) document() Hint {
	text := strings.TrimSpace(string(s.Body[:min(len(s.Body), head)]))
	lower := strings.ToLower(text)
	switch {
	case isJSON(text) && strings.Contains(text, `"resourceMetrics"`):
		return enough("the body is OTLP as JSON, which is not for this path: " + pushText)
	case isString(text):
		return enough("the body is a string in quotes, as in JSON: send what stands between them, with newlines as they are")
	case isJSON(text), strings.HasSuffix(s.mediaType(), "json") && (strings.ContainsAny(text[:min(len(text), 1)], "{[") || json.Valid([]byte(text))):
		return enough("the body is JSON: " + pushText)
	case bareKey.MatchString(text):
		return enough("the body looks like JSON that a shell took the quotes from: " + pushText + ", within single quotes")
	case strings.HasPrefix(text, "{'"), strings.HasPrefix(text, "[{'"):
		return enough("the body is a dictionary as Python prints it: " + pushText)
	case protoText.MatchString(text):
		return enough("the body is protobuf in its form for people: write delimited messages with Content-Type: " + mediaProtobuf + ", or " + pushText)
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"), strings.HasPrefix(lower, "<head"), strings.HasPrefix(lower, "<body"):
		return enough("the body is an HTML page, maybe one about an error where the metrics should have come from: " + pushText)
	case httpHead.MatchString(text):
		return enough("the body begins with headers of HTTP: send what follows the empty line behind them")
	case xml.MatchString(text):
		return enough("the body is XML: " + pushText)
	case strings.HasPrefix(text, "---\n"), strings.HasPrefix(text, "%YAML"):
		return enough("the body is YAML: " + pushText)
	}
	return Hint{}
}

var (
	bareKey   = regexp.MustCompile(`^\[?\{\s*[\w.-]+\s*:[^"]*[\]}]\s*$`)
	protoText = regexp.MustCompile(`^(#[^\n]*\n\s*)*name\s*:\s*["']`)
	httpHead  = regexp.MustCompile(`(?i)^((POST|PUT|GET) \S+ HTTP/|(content-[a-z-]+|host|accept|user-agent): )`)
	xml       = regexp.MustCompile(`^<[?!/A-Za-z]`)
)

// isString tells whether all of a text is in one pair of quotes.
func isString(text string) bool {
	return strings.HasPrefix(text, `"`) && json.Valid([]byte(text))
}

// isJSON tells whether text begins as JSON does. An object needs a key, as the
// text format has braces too.
func isJSON(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	first, err := d.Token()
	if _, isDelim := first.(json.Delim); err != nil || !isDelim {
		return false
	}
	second, err := d.Token()
	if err != nil || text == "{}" {
		return err == nil
	}
	_, isKey := second.(string)
	_, isDelim := second.(json.Delim)
	rest := strings.TrimLeft(text[d.InputOffset():], " \t\r\n")
	if first == json.Delim('{') {
		return isKey && strings.HasPrefix(rest, ":")
	}
	return isDelim || strings.HasPrefix(rest, ",") || strings.HasPrefix(rest, "]")
}

// mangled finds the text format after something has changed it as a whole.
func (s Sent) mangled() Hint {
	text := string(s.Body[:min(len(s.Body), head)])
	switch {
	case urlEncoded.MatchString(text) && !strings.ContainsAny(strings.TrimSpace(text), " \t"):
		return enough("the body is URL-encoded: send it as it is; with curl, use --data-binary instead of --data-urlencode")
	case strings.Contains(text, "\r") && !strings.Contains(text, "\n"):
		return enough("lines end with CR alone: end them with LF")
	case literalNewline.MatchString(quoted.ReplaceAllString(s.line(), `""`)):
		return enough(`there is a backslash and an n where a line should end: write a newline; in a shell, use printf '…\n' or $'…\n'`)
	case fileName.MatchString(strings.TrimSpace(text)):
		return enough("the body is the name of a file: curl reads it with --data-binary @FILE, and neither with --data-raw nor with a blank before it")
	case isBase64(text):
		return enough("the body is base64: send what it stands for")
	}
	return Hint{}
}

var (
	fileName   = regexp.MustCompile(`^@\S+$`)
	quoted     = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	urlEncoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	// literalNewline is one after a value, a type, or a help text that a comment
	// or a sample follows.
	literalNewline = regexp.MustCompile(`(^|[\s}][-+0-9.eE]+|[+-]?Inf|NaN|(?i:gauge|counter|untyped|summary|histogram))(\\r)?\\n|\\n(# (HELP|TYPE) |[a-zA-Z_:][\w:]*(\{[^}]*\})? [-+0-9.eE]+(\\n|$))`)
)

// line is the one at which reading stopped, or the first.
func (s Sent) line() string {
	rest := s.Body
	for range max(s.Line, 1) - 1 {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		rest = rest[i+1:]
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(line[:min(len(line), head)])
}

// isBase64 tells whether text is that, and stands for something like the text
// format.
func isBase64(text string) bool {
	if strings.ContainsAny(text, " \t") {
		return false
	}
	text = strings.TrimRight(strings.NewReplacer("\r", "", "\n", "", "-", "+", "_", "/").Replace(text), "=")
	b, err := base64.RawStdEncoding.DecodeString(text[:len(text)&^3])
	return err == nil && len(b) >= 3 && IsText(b) && bytes.ContainsAny(b, " \n")
}

// textAsProtobuf finds text that was read as protobuf.
func (s Sent) textAsProtobuf() Hint {
	if !s.Protobuf {
		return Hint{}
	}
	return enough("the body is text, and its Content-Type says protobuf: send Content-Type: text/plain, or none")
}

// lines finds other formats of lines, by the one at which reading stopped.
func (s Sent) lines() Hint {
	const instead = ": write name{label=\"value\"} 42"
	switch line := strings.TrimSpace(s.line()); {
	case strings.HasPrefix(line, "export "):
		return Hint{Says: "the line sets a variable of a shell" + instead}
	case influx.MatchString(line):
		return Hint{Says: "the line is in the line protocol of InfluxDB" + instead}
	case statsd.MatchString(line):
		return Hint{Says: "the line is of StatsD" + instead}
	case openTSDB.MatchString(line):
		return Hint{Says: "the line is of OpenTSDB" + instead}
	case graphite.MatchString(line):
		return Hint{Says: "the line is of Graphite" + instead}
	case message.MatchString(line):
		return Hint{Says: "the line looks like a message of a program, maybe one about an error: push the metrics alone"}
	case yaml.MatchString(line):
		return Hint{Says: "the line looks like YAML: write a blank alone between name and value"}
	case s.isCSV():
		return Hint{Says: "the body looks like CSV" + instead}
	}
	return Hint{}
}

var (
	influx = regexp.MustCompile(`^(\\.|[^\s,={}#"\\])+(,(\\.|[^\s,={}"\\])+=(\\.|[^\s,={}"\\])+)*\s+(\\.|[^\s,={}"\\])+=("[^"]*"|[-+0-9.eEiu]+|[tTfF]|(?i:true|false))(,(\\.|[^\s,={}"\\])+=("[^"]*"|[^\s,={}"]+))*(\s+-?\d+)?$`)
	statsd = regexp.MustCompile(`^[^\s:|{}]+(:[-+]?[0-9.]+)+\|(c|g|ms|h|s|d|m)(\||$)`)
	// openTSDB is a metric, a time and a value, then tags.
	openTSDB = regexp.MustCompile(`^put \S+ \d+ [-+0-9.eE]+( [^\s=]+=\S+)*$`)
	// graphite is a dotted name or one with tags, a value, and the time.
	graphite = regexp.MustCompile(`^([\w-]+(\.[\w-]+)+|[\w.-]+(;[^\s;=]+=[^\s;=]+)+)\s+[-+0-9.eE]+\s+(-1|N|\d{9,})$`)
	message  = regexp.MustCompile(`^[\w./-]+: (\(\d+\) \w|line \d+: |([^\s:]+: )+[\w ]*(not |No such|denied|failed|refused))`)
	yaml     = regexp.MustCompile(`^(- )?["']?[\w./-]+["']?:(\s+[^\s0-9.+-].*)?$`)
)

// isCSV tells whether the first lines have the same number of commas, and no
// blanks.
func (s Sent) isCSV() bool {
	lines := strings.Split(strings.TrimSpace(string(s.Body[:min(len(s.Body), head)])), "\n")
	lines = lines[:min(len(lines), 3)]
	commas := strings.Count(lines[0], ",")
	return len(lines) > 1 && commas > 0 && !slices.ContainsFunc(lines, func(line string) bool {
		return strings.Count(line, ",") != commas || strings.ContainsAny(line, "#{}")
	})
}

// openMetrics finds what that format has and the text format has not.
func (s Sent) openMetrics() Hint {
	if s.mediaType() == "application/openmetrics-text" || openMetrics.Match(s.Body[:min(len(s.Body), head)]) || bytes.HasSuffix(bytes.TrimSpace(s.Body), []byte("# EOF")) {
		return Hint{Says: "the body is OpenMetrics, which is read as far as the text format has the same"}
	}
	return Hint{}
}

var openMetrics = regexp.MustCompile(`(?m)^# (EOF$|UNIT |TYPE \S+ (info|stateset|unknown)\s*$)`)

// curl finds what curl -d has done.
func (s Sent) curl() Hint {
	if s.mediaType() == "application/x-www-form-urlencoded" && !bytes.HasSuffix(s.Body, []byte("\n")) {
		return Hint{Says: "curl -d takes newlines away, as $(…) does with the last one: use --data-binary, and end the body with a newline"}
	}
	return Hint{}
}
