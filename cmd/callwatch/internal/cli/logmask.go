package cli

import (
	"context"
	"fmt"
	"log/slog"

	"callwatch/notifier/mask"
)

// maskingHandler hides phone numbers in what is logged, whatever the spelling.
type maskingHandler struct{ slog.Handler }

// Handle masks the message and the attributes of a line.
func (h maskingHandler) Handle(ctx context.Context, r slog.Record) error {
	masked := slog.NewRecord(r.Time, r.Level, mask.Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		masked.AddAttrs(maskAttr(a))
		return true
	})
	return h.Handler.Handle(ctx, masked)
}

// WithAttrs masks the attributes once.
func (h maskingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	masked := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		masked[i] = maskAttr(a)
	}
	return maskingHandler{h.Handler.WithAttrs(masked)}
}

// WithGroup keeps masking inside a group.
func (h maskingHandler) WithGroup(name string) slog.Handler {
	return maskingHandler{h.Handler.WithGroup(name)}
}

// maskAttr masks one attribute. What is no plain value is masked as it prints, if
// it names a number.
func maskAttr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(maskValue(a.Key, v.String()))
	case slog.KindGroup:
		group := make([]slog.Attr, len(v.Group()))
		for i, inner := range v.Group() {
			group[i] = maskAttr(inner)
		}
		a.Value = slog.GroupValue(group...)
	case slog.KindAny:
		a.Value = v
		if v.Any() == nil {
			break
		}
		text := fmt.Sprint(v.Any())
		if masked := maskValue(a.Key, text); masked != text {
			a.Value = slog.StringValue(masked)
		}
	default:
		a.Value = v
	}
	return a
}

// maskValue masks a text; under the names of parties all of it is a number.
func maskValue(key, text string) string {
	switch key {
	case "from", "to", "number", "caller", "callee":
		return mask.Number(text)
	}
	return mask.Text(text)
}
