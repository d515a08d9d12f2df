package query

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"callwatch/call"
	"callwatch/handlers/backend"
)

// Work that is asked for too often at once is refused, and whoever leaves does not wait.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{})
		for range cap(r.checking) {
			if _, err := r.checking.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range cap(r.trying) {
			if _, err := r.trying.acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		for want, ctx := range map[error]context.Context{backend.ErrBusy: t.Context(), context.Canceled: gone} {
			_, _, check := r.check(ctx, "rules.yaml", []byte("rules: [{name: a, when: mos < 3}]"))
			_, try := r.try(ctx, "mos < 3", call.Key{Provider: "p", CallID: "c"})
			if !errors.Is(check, want) || !errors.Is(try, want) {
				t.Errorf("check %v, try %v; want %v", check, try, want)
			}
		}
	})
}
