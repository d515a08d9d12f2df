package console

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
)

const maxDead = 200 // dead letters listed

func (c *console) deadLetters(ec echo.Context) error {
	list, err := c.History.DeadLetters(ec.Request().Context(), maxDead)
	if err != nil {
		return failed(err, "dead letter")
	}
	return c.page(ec, http.StatusOK, "deadletters", view{Title: "Dead letters", At: "dead-letters", Body: list})
}

type deadLetterView struct {
	backend.DeadLetter
	Body bodyView
	Gone bool // the body is no longer stored
}

func (c *console) deadLetter(ec echo.Context) error {
	ctx, id := ec.Request().Context(), ec.Param("raw")
	list, err := c.History.DeadLetters(ctx, maxDead)
	if err != nil {
		return failed(err, "dead letter")
	}
	i := slices.IndexFunc(list, func(d backend.DeadLetter) bool { return d.RawID == id })
	if i < 0 {
		return notFound("dead letter")
	}
	v := deadLetterView{DeadLetter: list[i]}
	body, err := c.History.Body(ctx, id)
	if err != nil {
		if !errors.Is(err, backend.ErrNotFound) {
			return failed(err, "body")
		}
		v.Gone = true
	}
	v.Body = bodyOf(body)
	return c.page(ec, http.StatusOK, "deadletter", view{Title: "Dead letter", At: "dead-letters", Body: v})
}

// replay normalizes one dead letter again, or all of them.
func (c *console) replay(ec echo.Context) error {
	form, err := readForm(ec)
	if err != nil {
		return err
	}
	var ids []string
	target := "all"
	if id := form.Get("id"); id != "" {
		ids, target = []string{id}, id
	}
	patient(ec)
	r, err := c.History.Replay(ec.Request().Context(), ids)
	if err != nil {
		return failed(err, "dead letter")
	}
	c.audit(ec, "replay", target)
	note := fmt.Sprintf("Replayed %d: %d normalized, %d still failing.", r.Tried, r.Fixed, r.Failed)
	list, err := c.History.DeadLetters(ec.Request().Context(), maxDead)
	if err != nil {
		return failed(err, "dead letter")
	}
	return c.page(ec, http.StatusOK, "deadletters", view{Title: "Dead letters", At: "dead-letters", Note: note, Body: list})
}
