package query

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

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

// A turn rests for as long as its work took, a quarter of a second at most.
func TestTurnRests(t *testing.T) {
	for worked, rest := range map[time.Duration]time.Duration{10 * time.Millisecond: 10 * time.Millisecond, time.Minute: maxRest} {
		synctest.Test(t, func(t *testing.T) {
			turns := make(Turns, 1)
			release, err := turns.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(worked)
			release()
			ended := time.Now()
			if release, err = turns.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			release()
			if rested := time.Since(ended); rested != rest {
				t.Errorf("after work of %v a turn rests %v, want %v", worked, rested, rest)
			}
			time.Sleep(time.Second)
		})
	}
}
