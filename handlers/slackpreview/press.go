package slackpreview

import (
	"errors"
	"html/template"
	"net/http"

	"callwatch/handlers/api"

	"github.com/labstack/echo/v4"
)

// messageFuncs are what the templates of messages use beside viewFuncs.
func (c *server) messageFuncs() template.FuncMap {
	return template.FuncMap{"draw": draw, "weblink": webLink, "pressable": func() bool { return c.Press != nil }}
}

// press passes on what a reader pressed. The message as it is afterwards comes
// with the stream.
func (c *server) press(ec echo.Context) error {
	var p Press
	if err := c.Read(ec, &p); err != nil {
		return err
	}
	switch err := c.Press(ec.Request().Context(), p); {
	case errors.Is(err, ErrNoControl):
		return &api.ProblemDetails{Status: http.StatusNotFound, Title: "No such control", Detail: "The message does not offer this any more."}
	case err != nil:
		c.Log.Warn("click not taken", "err", err)
		return &api.ProblemDetails{Status: http.StatusBadGateway, Title: "Not taken", Detail: "callwatch did not take the click. Its log says why."}
	}
	return ec.NoContent(http.StatusNoContent)
}
