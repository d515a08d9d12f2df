package handlers

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"callwatch/rules"
)

func (a *app) listRules(c echo.Context) error {
	return c.JSON(http.StatusOK, struct {
		File  RulesFile      `json:"file"`
		Rules []rules.Health `json:"rules"`
	}{a.API.Rules(), a.API.Health()})
}

// reloadRules reads the rules file again. It takes no body.
func (a *app) reloadRules(c echo.Context) error {
	file, err := a.API.Reload(c.Request().Context())
	switch {
	case err != nil:
		return fmt.Errorf("reload rules: %w", err)
	case file.Refused():
		p := &problem{status: http.StatusUnprocessableEntity, title: "Rules refused", detail: "The rules in force stay.", problems: file.Problems}
		if file.Error != "" {
			p.detail = "The rules in force stay: " + file.Error
		}
		return p
	case file.Pending:
		return c.JSON(http.StatusAccepted, file)
	}
	return c.JSON(http.StatusOK, file)
}
