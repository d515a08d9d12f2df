package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/backend"
)

type statusView struct {
	backend.Status
	Version []pair
	Uptime  time.Duration
	Rules   backend.RulesFile
	Model   *backend.ModelStatus // nil: there is no read model
}

// pair is a name with a value.
type pair struct{ Name, Value string }

func (c *console) status(ec echo.Context) error {
	s := c.History.Status(ec.Request().Context())
	v := statusView{Status: s, Uptime: c.Now().Sub(s.Started), Rules: c.Rules()}
	if m := c.History.Model; m != nil && m.ModelStatus != nil {
		status := m.ModelStatus()
		v.Model = &status
	}
	var version map[string]any
	if json.Unmarshal(s.Version, &version) == nil {
		for name, value := range version {
			if value != "" && value != nil {
				v.Version = append(v.Version, pair{name, fmt.Sprint(value)})
			}
		}
		slices.SortFunc(v.Version, func(a, b pair) int {
			if a.Name < b.Name {
				return -1
			}
			return 1
		})
	}
	return c.page(ec, http.StatusOK, "status", view{Title: "Status", At: "status", Body: v})
}
