package sniff

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// encoding recognizes text that is not UTF-8, or begins with a byte order mark.
func (s Sent) encoding() Hint {
	has := func(mark string) bool { return bytes.HasPrefix(s.Body, []byte(mark)) }
	switch {
	case has("\xef\xbb\xbf"):
		rest := s
		rest.Body = s.Body[3:]
		if h := rest.document(); h.Says != "" {
			return h
		}
		return enough("the body begins with a byte order mark; write it as UTF-8 without one")
	case has("\xff\xfe\x00\x00"), has("\x00\x00\xfe\xff"), isUTF32(s.Body):
		return enough("the body is UTF-32; write it as UTF-8, without a byte order mark")
	case has("\xff\xfe"), has("\xfe\xff"), isUTF16(s.Body, 0), isUTF16(s.Body, 1):
		return enough("the body is UTF-16, as PowerShell writes it; write it as UTF-8, without a byte order mark")
	}
	return Hint{}
}

// isLatin reports whether b begins like text in Latin-1 or a similar encoding:
// mostly ASCII with some bytes above it, and no control characters.
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

// isUTF32 reports whether three of every four bytes are NUL, always the same
// ones.
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

// isUTF16 reports whether every other byte is NUL, counted from the given one.
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

// document recognizes other formats by their beginning.
func (s Sent) document() Hint {
	text := strings.TrimSpace(string(s.Body[:min(len(s.Body), head)]))
	lower := strings.ToLower(text)
	switch {
	case isJSON(text) && strings.Contains(text, `"resourceMetrics"`):
		return enough("the body is OTLP in JSON; send it to /v1/metrics")
	case isString(text):
		return enough("the body is a quoted string, as in JSON; send its content without the quotes, and with real newlines")
	case isJSON(text), strings.HasSuffix(s.mediaType(), "json") && (strings.ContainsAny(text[:min(len(text), 1)], "{[") || json.Valid([]byte(text))):
		return enough("the body is JSON; " + pushText)
	case bareKey.MatchString(text):
		return enough("the body looks like JSON from which a shell has removed the quotes; " + pushText + ", in single quotes")
	case strings.HasPrefix(text, "{'"), strings.HasPrefix(text, "[{'"):
		return enough("the body is a dictionary as Python prints it; " + pushText)
	case protoText.MatchString(text):
		return enough("the body is protobuf in its text form; write delimited messages with Content-Type: " + ProtobufType + ", or " + pushText)
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"), strings.HasPrefix(lower, "<head"), strings.HasPrefix(lower, "<body"):
		return enough("the body is an HTML page, maybe an error page instead of the metrics; " + pushText)
	case httpHead.MatchString(text):
		return enough("the body begins with HTTP headers; send only what follows the empty line after them")
	case xml.MatchString(text):
		return enough("the body is XML; " + pushText)
	case strings.HasPrefix(text, "---\n"), strings.HasPrefix(text, "%YAML"):
		return enough("the body is YAML; " + pushText)
	}
	return Hint{}
}

var (
	bareKey   = regexp.MustCompile(`^\[?\{\s*[\w.-]+\s*:[^"]*[\]}]\s*$`)
	protoText = regexp.MustCompile(`^(#[^\n]*\n\s*)*name\s*:\s*["']`)
	httpHead  = regexp.MustCompile(`(?i)^((POST|PUT|GET) \S+ HTTP/|(content-[a-z-]+|host|accept|user-agent): )`)
	xml       = regexp.MustCompile(`^<[?!/A-Za-z]`)
)

// isString reports whether a text is entirely within one pair of quotes.
func isString(text string) bool {
	return strings.HasPrefix(text, `"`) && json.Valid([]byte(text))
}

// isJSON reports whether text begins like JSON. An object needs a key, since
// the text format has braces too.
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

// mangled recognizes the text format after something has changed it as a whole.
func (s Sent) mangled() Hint {
	text := string(s.Body[:min(len(s.Body), head)])
	switch {
	case urlEncoded.MatchString(text) && !strings.ContainsAny(strings.TrimSpace(text), " \t"):
		return enough("the body is URL-encoded; send it unencoded; with curl, use --data-binary instead of --data-urlencode")
	case strings.Contains(text, "\r") && !strings.Contains(text, "\n"):
		return enough("lines end with CR alone; end them with LF")
	case literalNewline.MatchString(quoted.ReplaceAllString(s.line(), `""`)):
		return enough(`there is a backslash and an n where a line should end; write a newline; in a shell, use printf '…\n' or $'…\n'`)
	case fileName.MatchString(strings.TrimSpace(text)):
		return enough("the body is the name of a file; curl reads the file with --data-binary @FILE, but not with --data-raw or with a space before the @")
	case isBase64(text):
		return enough("the body is base64; send the decoded content")
	}
	return Hint{}
}

var (
	fileName   = regexp.MustCompile(`^@\S+$`)
	quoted     = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	urlEncoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	// literalNewline matches a literal \n after a value, a type, or a help text,
	// if a comment or a sample follows.
	literalNewline = regexp.MustCompile(`(^|[\s}][-+0-9.eE]+|[+-]?Inf|NaN|(?i:gauge|counter|untyped|summary|histogram))(\\r)?\\n|\\n(# (HELP|TYPE) |[a-zA-Z_:][\w:]*(\{[^}]*\})? [-+0-9.eE]+(\\n|$))`)
)

// line returns the line at which parsing stopped, or the first one.
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

// isBase64 reports whether text is base64 for something like the text format.
func isBase64(text string) bool {
	if strings.ContainsAny(text, " \t") {
		return false
	}
	text = strings.TrimRight(strings.NewReplacer("\r", "", "\n", "", "-", "+", "_", "/").Replace(text), "=")
	b, err := base64.RawStdEncoding.DecodeString(text[:len(text)&^3])
	return err == nil && len(b) >= 3 && IsText(b) && bytes.ContainsAny(b, " \n")
}

// textAsBinary recognizes text that was parsed as a binary format.
func (s Sent) textAsBinary() Hint {
	if !s.As.Binary {
		return Hint{}
	}
	return enough("the body is text, but its Content-Type says " + s.As.Name + "; send Content-Type: text/plain, or none")
}

// lines recognizes other line-based formats by the line at which parsing
// stopped.
func (s Sent) lines() Hint {
	const instead = "; write name{label=\"value\"} 42"
	switch line := strings.TrimSpace(s.line()); {
	case strings.HasPrefix(line, "export "):
		return Hint{Says: "the line sets a shell variable" + instead}
	case influx.MatchString(line):
		return Hint{Says: "the line is in the line protocol of InfluxDB" + instead}
	case statsd.MatchString(line):
		return Hint{Says: "the line is in the format of StatsD" + instead}
	case openTSDB.MatchString(line):
		return Hint{Says: "the line is in the format of OpenTSDB" + instead}
	case graphite.MatchString(line):
		return Hint{Says: "the line is in the format of Graphite" + instead}
	case message.MatchString(line):
		return Hint{Says: "the line looks like a message of a program, maybe an error message; push only the metrics"}
	case yaml.MatchString(line):
		return Hint{Says: "the line looks like YAML; put only a space between name and value"}
	case s.isCSV():
		return Hint{Says: "the body looks like CSV" + instead}
	}
	return Hint{}
}

var (
	influx = regexp.MustCompile(`^(\\.|[^\s,={}#"\\])+(,(\\.|[^\s,={}"\\])+=(\\.|[^\s,={}"\\])+)*\s+(\\.|[^\s,={}"\\])+=("[^"]*"|[-+0-9.eEiu]+|[tTfF]|(?i:true|false))(,(\\.|[^\s,={}"\\])+=("[^"]*"|[^\s,={}"]+))*(\s+-?\d+)?$`)
	statsd = regexp.MustCompile(`^[^\s:|{}]+(:[-+]?[0-9.]+)+\|(c|g|ms|h|s|d|m)(\||$)`)
	// openTSDB matches a metric, a time and a value, then tags.
	openTSDB = regexp.MustCompile(`^put \S+ \d+ [-+0-9.eE]+( [^\s=]+=\S+)*$`)
	// graphite matches a name with dots or tags, a value, and the time.
	graphite = regexp.MustCompile(`^([\w-]+(\.[\w-]+)+|[\w.-]+(;[^\s;=]+=[^\s;=]+)+)\s+[-+0-9.eE]+\s+(-1|N|\d{9,})$`)
	message  = regexp.MustCompile(`^[\w./-]+: (\(\d+\) \w|line \d+: |([^\s:]+: )+[\w ]*(not |No such|denied|failed|refused))`)
	yaml     = regexp.MustCompile(`^(- )?["']?[\w./-]+["']?:(\s+[^\s0-9.+-].*)?$`)
)

// isCSV reports whether the first lines have the same number of commas, and no
// spaces.
func (s Sent) isCSV() bool {
	lines := strings.Split(strings.TrimSpace(string(s.Body[:min(len(s.Body), head)])), "\n")
	lines = lines[:min(len(lines), 3)]
	commas := strings.Count(lines[0], ",")
	return len(lines) > 1 && commas > 0 && !slices.ContainsFunc(lines, func(line string) bool {
		return strings.Count(line, ",") != commas || strings.ContainsAny(line, "#{}")
	})
}

// openMetrics recognizes what is sent as OpenMetrics and was read as text.
func (s Sent) openMetrics() Hint {
	if s.mediaType() != OpenMetricsMedia || s.As.ContentType == OpenMetricsType {
		return Hint{}
	}
	if !EndsLikeOpenMetrics(s.Body) {
		return Hint{Says: "the Content-Type says OpenMetrics, but the body does not end with the line # EOF and is read as text; add that line"}
	}
	return Hint{Says: "the Content-Type says a version of OpenMetrics that this gateway reads as text; send Content-Type: " + OpenMetricsType}
}

// OpenMetricsMedia is OpenMetricsType without its parameters.
const OpenMetricsMedia = "application/openmetrics-text"

// LooksLikeOpenMetrics reports whether a body has what OpenMetrics has and the
// text format does not.
func LooksLikeOpenMetrics(body []byte) bool {
	begins := body[:min(len(body), head)]
	return openMetrics.Match(begins) || hasGaugeCount(begins) || EndsLikeOpenMetrics(body)
}

// hasGaugeCount reports whether a body has a gauge histogram whose count has the
// name that only OpenMetrics gives it.
func hasGaugeCount(body []byte) bool {
	for _, m := range gaugeHistogram.FindAllSubmatch(body, -1) {
		if bytes.Contains(body, fmt.Appendf(nil, "\n%s_gcount", m[1])) {
			return true
		}
	}
	return false
}

var gaugeHistogram = regexp.MustCompile(`(?m)^# TYPE (\S+) gaugehistogram\s*$`)

// EndsLikeOpenMetrics reports whether a body ends with # EOF.
func EndsLikeOpenMetrics(body []byte) bool {
	return bytes.HasSuffix(bytes.TrimRight(body, "\r\n\t "), []byte("# EOF"))
}

var openMetrics = regexp.MustCompile(`(?m)^# (EOF$|UNIT |TYPE \S+ (info|stateset|unknown)\s*$)`)

// curl recognizes what curl -d has changed.
func (s Sent) curl() Hint {
	if s.mediaType() == "application/x-www-form-urlencoded" && !bytes.HasSuffix(s.Body, []byte("\n")) {
		return Hint{Says: "curl -d removes newlines, as $(…) does with the last one; use --data-binary, and end the body with a newline"}
	}
	return Hint{}
}
