package handlers

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"
)

// slackFuncs are those that the templates of messages use beside viewFuncs.
func (a *app) slackFuncs() template.FuncMap {
	return template.FuncMap{"draw": draw, "weblink": webLink, "pressable": func() bool { return a.Press != nil }}
}

// press passes on what a reader pressed. The message as it is afterwards comes
// with the stream.
func (c *slackPage) press(ec echo.Context) error {
	var p Press
	if err := readRequest(ec, &p); err != nil {
		return err
	}
	switch err := c.Press(ec.Request().Context(), p); {
	case errors.Is(err, ErrNoControl):
		return &problem{status: http.StatusNotFound, title: "No such control", detail: "The message does not offer this any more."}
	case err != nil:
		c.Log.Warn("click not taken", "err", err)
		return &problem{status: http.StatusBadGateway, title: "Not taken", detail: "callwatch did not take the click. Its log says why."}
	}
	return ec.NoContent(http.StatusNoContent)
}
