package query

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"callwatch/call"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

// Work that is asked for too often at once is refused, and a client that leaves does not wait.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{Turns: NewTurns()})
		for range cap(r.cfg.Turns) {
			if _, err := r.cfg.Turns.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		for want, ctx := range map[error]context.Context{backend.ErrBusy: t.Context(), context.Canceled: gone} {
			_, _, check := r.check(ctx, []rules.Source{{Name: "rules.yaml", Text: []byte("rules: [{name: a, when: mos < 3}]")}})
			_, try := r.try(ctx, "mos < 3", call.Key{Provider: "p", CallID: "c"})
			if !errors.Is(check, want) || !errors.Is(try, want) {
				t.Errorf("check %v, try %v; want %v", check, try, want)
			}
		}
	})
}
