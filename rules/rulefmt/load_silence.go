package rulefmt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/goccy/go-yaml/ast"

	"callwatch/rules"
)

// readSilences reads the silences of the rules file.
func (l *loader) readSilences(n ast.Node) {
	env := l.alertEnv()
	l.List(n, "silences", func(n ast.Node) {
		if !l.Within(n, l.silenced, maxListed, "silences") {
			return
		}
		l.silenced++
		var s rules.CompiledSilence
		before := len(l.Problems)
		known, during := l.hourKeys(nil)
		recurs := false
		for key, read := range known {
			known[key] = func(n ast.Node) { recurs = true; read(n) }
		}
		known["match"] = func(n ast.Node) { s.Program = l.program(n, "match", env) }
		known["until"] = func(n ast.Node) { s.Until = l.instant(n, "until") }
		known["comment"] = func(n ast.Node) { s.Comment, _ = l.Text(n, "comment") }
		l.Mapping(n, "a silence", known)
		if recurs {
			s.During = during()
		}
		switch {
		case l.Problems[before:].Errors():
			return
		case s.Program == nil:
			l.Add(nodeAt(n), "empty-condition", "a silence needs a condition", `add match: and a condition on incidents, such as rule == "no-calls"`)
			return
		case s.Until.IsZero() && !recurs:
			l.Add(nodeAt(n), "no-end", "a silence needs an end", "add until: and a time such as 2026-12-01T06:00:00Z, or the hours or days at which it recurs")
			return
		}
		s.Match = s.Program.String() // macros expanded: it is shown without the file
		text := s.Match + "\x00" + s.Until.UTC().Format(time.RFC3339)
		if recurs {
			text += "\x00" + s.During.String()
		}
		sum := sha256.Sum256([]byte(text))
		s.ID = rules.FilePrefix + hex.EncodeToString(sum[:6])
		s.Expired = l.Problem(nodeAt(n), problemWarning, "expired-silence", "this silence ended at "+s.Until.UTC().Format(time.RFC3339), "remove it")
		l.set.FileSilences = append(l.set.FileSilences, s)
	})
}

// instant is a time with its zone; zero after a problem.
func (l *loader) instant(n ast.Node, what string) time.Time {
	s, ok := l.Text(n, what)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		l.Add(nodeAt(n), "bad-time", fmt.Sprintf("%s is not a time: %q", what, s), "date, time and zone, such as 2026-12-01T06:00:00Z")
		return time.Time{}
	}
	return t.UTC()
}
