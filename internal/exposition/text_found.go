package exposition

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"pushgateway/internal/excerpt"
	"pushgateway/internal/metric"
)

// These functions say what an unparsable line contains in the place of what it
// should, and what to write instead. They do not decide about the line, which
// is already refused.

// found names what s begins with.
func found(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case s == "":
		return "the end of the line"
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf("the byte 0x%02x, which is not UTF-8", s[0])
	}
	return kindOf(r) + strconv.QuoteRune(r)
}

// kindOf names characters that look like others, or are invisible.
func kindOf(r rune) string {
	switch {
	case r < utf8.RuneSelf:
	case r == '\ufeff':
		return "a byte order mark, "
	case strings.ContainsRune("“”„‟‘’«»", r):
		return "a typographic quote, "
	case unicode.Is(unicode.Pd, r) || r == '−':
		return "a typographic dash, "
	case unicode.IsSpace(r):
		return "whitespace that is not ASCII, "
	}
	return ""
}

// noNewline refuses the last line. If something else is wrong with it too, it
// reports that.
func (p *Parser) noNewline(line string) error {
	p.at = p.size // it ends the body
	if err := p.parseLine(line); errors.As(err, new(*SyntaxError)) && !strings.HasSuffix(line, "\r") {
		return err
	}
	return p.syntaxError("the last line has no newline at its end; add one")
}

// firstName refuses a line that does not begin with a name.
func (p *Parser) firstName(what, rest string) error {
	return p.syntaxError("expected %s, found %s; a name begins with a letter, _ or :%s", what, found(rest), letterAdvice(rest, ":"))
}

// noName refuses a sample that does not begin with a name, according to what it
// begins with.
func (p *Parser) noName(rest string) error {
	const what = "a metric name"
	first := untilBlank(rest)
	following := strings.Trim(rest[len(first):], " \t")
	switch {
	case isDecimal(first) && following == "":
		return p.syntaxError("expected %s, found only the value %s; write a name before it, as in my_metric %s", what, excerpt.Of(first), excerpt.Of(first))
	case isDecimal(first) && metric.IsLegacyName(following):
		return p.syntaxError("expected %s, found the value %s; the name comes first, so write %s %s", what, excerpt.Of(first), excerpt.Of(following), excerpt.Of(first))
	case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"), strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, ";"):
		return p.syntaxError("expected %s, found %s; a comment begins with #", what, found(rest))
	case first == "-e", first == "-n":
		return p.syntaxError("expected %s, found the option %s of echo, which this shell prints; use printf", what, first)
	}
	return p.firstName(what, rest)
}

// commentName refuses what follows the name in a HELP or TYPE line.
func (p *Parser) commentName(keyword, name, rest string) error {
	switch {
	case name == "":
		return p.firstName("a metric name after "+keyword, rest)
	case rest[0] == '{':
		return p.syntaxError("the metric name ends after %q, found '{'; a %s line must not have labels", excerpt.Of(name), keyword)
	}
	return p.nameEnds(name, rest)
}

// nameEnds refuses what directly follows a name and is not a part of it.
func (p *Parser) nameEnds(name, rest string) error {
	advice := "; put a space between name and value"
	switch more := word(rest); {
	case strings.ContainsAny(rest[:1], "([<") && strings.Contains(rest, `="`):
		advice = "; put labels between { and }"
	case rest[0] == '=' && strings.HasPrefix(rest[1:], `"`):
		advice = "; the opening brace before the labels is missing"
	case more != "":
		advice = "; names consist of letters, digits, _ and :" + quoteAdvice(name+more, ":")
	}
	return p.syntaxError("the metric name ends after %q, found %s%s", excerpt.Of(name), found(rest), advice)
}

// word returns the part of s before any character that can end an unquoted
// name.
func word(s string) string {
	if i := strings.IndexAny(s, " \t{}=,\"'"); i >= 0 {
		return s[:i]
	}
	return s
}

// quoteAdvice says how else to write what looks like a name. more lists the
// characters that it may have in addition to letters, digits and _.
func quoteAdvice(name, more string) string {
	usual := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_.-/ "+more, r)
	}
	if name == "" || !utf8.ValidString(name) || strings.IndexFunc(name, func(r rune) bool { return !usual(r) }) >= 0 {
		return ""
	}
	legacy, quoted := metric.EscapeLabel(name, metric.Underscores), fmt.Sprintf("%q", excerpt.Of(name))
	if more == ":" {
		legacy, quoted = metric.EscapeName(name, metric.Underscores), "{"+quoted+"}"
	}
	if strings.Trim(legacy, "_") == "" {
		return fmt.Sprintf("; write %s with --push.enable-utf8-names", quoted)
	}
	return fmt.Sprintf("; write %s, or %s with --push.enable-utf8-names", excerpt.Of(legacy), quoted)
}

// letterAdvice is quoteAdvice for text that begins with a letter which names
// cannot have.
func letterAdvice(rest, more string) string {
	if r, _ := utf8.DecodeRuneInString(rest); !unicode.IsLetter(r) {
		return ""
	}
	return quoteAdvice(word(rest), more)
}

// noLabel refuses labels that continue with something other than a label name.
func (p *Parser) noLabel(rest string) error {
	switch {
	case rest == "":
		return p.syntaxError("expected a label name or '}', found the end of the line; the closing brace is missing")
	case rest[0] == '{':
		return p.syntaxError("expected a label name or '}', found '{'; maybe a template was not filled in")
	case isDecimal(strings.TrimRight(rest, " \t")):
		return p.syntaxError("expected a label name or '}', found %s; the closing brace is missing", found(rest))
	case rest[0] == ',':
		return p.syntaxError("expected a label name, found ','; put one comma between labels")
	case rest[0] == '=':
		return p.syntaxError("expected a label name, found '='; write name=\"value\"")
	}
	return p.syntaxError("expected a label name or '}', found %s; a label name begins with a letter or _%s", found(rest), letterAdvice(rest, ""))
}

// noEquals refuses a label name without a value. gap is the whitespace between
// name and rest.
func (p *Parser) noEquals(name, gap, rest string) error {
	advice := "; write " + labelAs(name)
	switch {
	case rest == "":
		advice = "; the closing brace is missing"
	case strings.HasPrefix(rest, "!=") || strings.HasPrefix(rest, "!~"):
		advice = "; that is a query: in a sample each label has one value, as in " + labelAs(name)
	case isSeparator(rest):
	default:
		advice = "; label names consist of letters, digits and _" + quoteAdvice(name+gap+word(rest), "")
	}
	return p.syntaxError("expected '=' after label name %q, found %s%s", excerpt.Of(name), found(rest), advice)
}

// isSeparator reports whether s begins with what other formats write instead of
// =.
func isSeparator(s string) bool {
	after := strings.TrimLeft(s, ":-> \t")
	return after != "" && strings.ContainsRune(`"'},`, rune(after[0]))
}

// noQuote refuses a value that does not begin with a quote.
func (p *Parser) noQuote(name, rest string) error {
	return p.syntaxError("expected '\"' at the start of the value of label %q, found %s; put values in double quotes, as in %s", excerpt.Of(name), found(rest), labelAs(name))
}

// labelAs shows how to write a label.
func labelAs(name string) string {
	if !metric.IsLegacyLabel(name) {
		name = strconv.Quote(excerpt.Of(name))
	}
	return excerpt.Of(name) + `="…"`
}

// noComma refuses what follows a label, or a name within braces.
func (p *Parser) noComma(name, rest string, isValue bool) error {
	what := fmt.Sprintf("the value of label %q", excerpt.Of(name))
	if !isValue {
		what = fmt.Sprintf("the name %q", excerpt.Of(name))
	}
	advice := ""
	label := strings.TrimLeft(rest, ";|& \t")
	switch next, _, isLabel := strings.Cut(label, "="); {
	case rest == "":
		advice = "; the closing brace is missing"
	case isLabel && metric.IsLegacyLabel(strings.TrimRight(next, " \t")):
		advice = "; put a comma between labels"
	case isDecimal(strings.TrimRight(rest, " \t")):
		advice = "; the closing brace is missing"
	case isValue && strings.Contains(rest, `"`):
		advice = `; write a quote in a value as \"`
	case !isValue:
		advice = quoteAdvice(name+word(rest), ":")
	}
	return p.syntaxError("expected ',' or '}' after %s, found %s%s", what, found(rest), advice)
}

// isDecimal reports whether s can be a value.
func isDecimal(s string) bool {
	_, err := parseFloat(s)
	return err == nil
}

// noValue refuses what is at line[i:] in the place of a value.
func (p *Parser) noValue(line string, i int, text string, reason error) error {
	if text == "" {
		return p.syntaxError("expected a number as value, found the end of the line")
	}
	if before := line[i-1]; !isBlank(before) && before != '}' {
		return p.nameEnds(line[:i], line[i:])
	}
	return p.syntaxError("expected a number as value, got %q%s", excerpt.Of(text), valueAdvice(line[i:], text, reason))
}

// valueAdvice says what to do about a value that is not a number. rest is the
// line from there on.
func valueAdvice(rest, text string, reason error) string {
	following := strings.TrimLeft(rest[len(text):], " \t")
	odd := strings.IndexFunc(text, func(r rune) bool { return kindOf(r) != "" })
	number := strings.TrimRightFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsSymbol(r) || r == '%' })
	switch {
	case errors.Is(reason, strconv.ErrRange):
		return "; it is out of range for a 64-bit float"
	case odd >= 0:
		return "; it contains " + found(text[odd:])
	case text == "=" || text == ":" || text == "=>" || text == "->":
		return "; put only a space between name and value"
	case strings.ContainsRune(`"'`, rune(text[0])) && isDecimal(strings.Trim(text, `"'`)):
		return "; do not quote values"
	case text[0] == '}':
		return "; there is an extra brace"
	case strings.ContainsAny(text, `="`) && strings.Contains(rest, `"`):
		return bracesAdvice(text)
	case isDecimal(strings.TrimRight(text, ";,")):
		return "; nothing may follow the value"
	case isDecimal(strings.NewReplacer(",", "", "'", "").Replace(text)), isDecimal(strings.NewReplacer(".", "", ",", ".").Replace(text)):
		return "; write the decimals after a point, without separators between thousands"
	case otherDigits(text):
		return "; write decimal digits, without _"
	case number != text && isDecimal(number):
		return "; values must not have units"
	case metric.IsLegacyName(text) && isDecimal(untilBlank(following)):
		return "; names must not contain spaces"
	case isSwitch(text):
		return "; write 1 or 0"
	case isNothing(text):
		return "; leave out the line if there is no value, or write NaN"
	case strings.ContainsRune("$%<{`", rune(text[0])):
		return "; maybe a template was not filled in"
	}
	return ""
}

// bracesAdvice says where to put labels that are in the place of a value.
func bracesAdvice(text string) string {
	before, _, isBraced := strings.Cut(text, "{")
	switch {
	case !isBraced:
		return "; the opening brace before the labels is missing"
	case before == "":
		return "; put all labels into one pair of braces"
	case isDecimal(before):
		return "; put labels between name and value"
	case before[0] >= '0' && before[0] <= '9':
		return "; put each sample on its own line"
	}
	return "; names must not contain spaces"
}

// isSwitch recognizes what languages write for on and off.
func isSwitch(text string) bool {
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off":
		return true
	}
	return false
}

// otherDigits recognizes numbers in other notations.
func otherDigits(text string) bool {
	_, err := strconv.ParseInt(text, 0, 64) // with _, 0x, 0o and 0b
	return err == nil
}

// isNothing recognizes what languages write for a missing value.
func isNothing(text string) bool {
	switch strings.ToLower(text) {
	case "null", "none", "nil", "<nil>", "undefined", "n/a", "-", "-nan", "-nan(ind)":
		return true
	}
	return false
}

// noTimestamp refuses what follows a value.
func (p *Parser) noTimestamp(rest string) error {
	text := strings.TrimRight(rest, " \t")
	switch {
	case text == "":
		return p.syntaxError("found spaces at the end of the line; remove them")
	case strings.HasPrefix(text, "# {"):
		return p.syntaxError("found an exemplar, %q, which only OpenMetrics and protobuf have; leave it out, or push one of these", excerpt.Of(text))
	case text[0] == '#':
		return p.syntaxError("found a comment after the value, %q; put it on its own line", excerpt.Of(text))
	case text != rest && isWhole(text):
		return p.syntaxError("found spaces after the timestamp; pushed metrics must not have timestamps: leave the timestamp out")
	case isDecimal(untilBlank(text)) && strings.Contains(text, "# {"):
		return p.syntaxError("found a timestamp and an exemplar after the value, %q, as in OpenMetrics; the text format does not have them, so leave them out", excerpt.Of(text))
	case isDecimal(text):
		return p.syntaxError("expected the end of the line after the value, found %q; pushed metrics must not have timestamps: leave the timestamp out", excerpt.Of(text))
	}
	return p.syntaxError("expected the end of the line after the value, found %q%s", excerpt.Of(text), p.restAdvice(text))
}

// restAdvice says what to do about something after a value that is not a
// number.
func (p *Parser) restAdvice(text string) string {
	name := p.namePart(text)
	switch {
	case text[0] == '{':
		return "; put labels between name and value"
	case strings.HasPrefix(text, "//"), text[0] == ';':
		return "; put the comment on its own line, starting with #"
	case text[0] >= '0' && text[0] <= '9':
		return "; pushed metrics must not have timestamps: leave the timestamp out"
	case metric.IsLegacyName(text):
		return "; values must not have units"
	case name != "" && len(name) < len(text):
		return "; put each sample on its own line"
	}
	return ""
}

// namePart returns the name at the beginning of s.
func (p *Parser) namePart(s string) string {
	name, _, err := p.readName(s, 0, isNameByte)
	if err != nil {
		return ""
	}
	return name
}

func isWhole(s string) bool {
	_, err := strconv.ParseInt(s, 10, 64)
	return err == nil
}

// noType refuses what a TYPE comment has in the place of a type.
func (p *Parser) noType(text string) error {
	advice := "; use counter, gauge, histogram, summary, untyped or gaugehistogram"
	switch first := untilBlank(text); {
	case strings.EqualFold(text, "unknown"):
		advice = "; that is a type of OpenMetrics; use untyped"
	case strings.EqualFold(text, "info"), strings.EqualFold(text, "stateset"):
		advice = "; that is a type of OpenMetrics; use gauge"
	case isType(p.current.Name) && metric.IsLegacyName(text) && !isType(first):
		advice = fmt.Sprintf("; the name comes first, so write # TYPE %s %s", excerpt.Of(text), excerpt.Of(p.current.Name))
	case isType(strings.TrimRight(first, ",;.")):
		advice = "; end the line after " + excerpt.Of(strings.TrimRight(first, ",;."))
	}
	return p.syntaxError("unknown metric type %q%s", excerpt.Of(text), advice)
}

func isType(text string) bool {
	_, ok := typesByName[strings.ToUpper(text)]
	return ok
}

// lateType refuses a TYPE line for a family that already has a type.
func (p *Parser) lateType() error {
	name := excerpt.Of(p.current.Name)
	if len(p.current.Series) > 0 {
		return p.syntaxError("TYPE line for metric name %q after its first sample; put it before all of them", name)
	}
	return p.syntaxError("second TYPE line for metric name %q; keep one", name)
}

// twice refuses a label name that a series already has.
func (p *Parser) twice(name string) error {
	return p.syntaxError("duplicate label name %q; keep one, or rename the other", excerpt.Of(name))
}

// boundAdvice says what the labels are for whose values are numbers.
func boundAdvice(name string) string {
	if name == metric.BucketLabel {
		return "; it must be the upper bound of the bucket, as in le=\"0.5\" or le=\"+Inf\""
	}
	return "; it must be a number from 0 to 1, as in quantile=\"0.99\""
}
