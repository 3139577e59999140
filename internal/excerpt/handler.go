package excerpt

import (
	"context"
	"log/slog"
	"strings"
)

// Handler shortens the values in log lines, so that no client can make a line
// longer than a few kB.
func Handler(next slog.Handler) slog.Handler { return handler{next} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	short := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		short.AddAttrs(shortAttr(a))
		return true
	})
	return h.Handler.Handle(ctx, short)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

// shortAttr shortens texts and errors. It keeps newlines, which every log
// format escapes.
func shortAttr(a slog.Attr) slog.Attr {
	s, ok := "", false
	switch v := a.Value.Resolve().Any().(type) {
	case string:
		s, ok = v, true
	case error:
		s, ok = v.Error(), true
	}
	if !ok {
		return a
	}
	if !strings.ContainsAny(s, "\n\t") {
		return slog.String(a.Key, Line(s, MostMessage))
	}
	lines := strings.FieldsFunc(cut(s, MostMessage), func(r rune) bool { return r == '\n' || r == '\t' })
	for i := range lines {
		lines[i] = Line(lines[i], MostMessage)
	}
	return slog.String(a.Key, strings.Join(lines, "\n"))
}
