package api

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
)

// routeDocument serves the OpenAPI document of all routes before it.
func (s *service) routeDocument(g Routes) {
	delete(s.huma.OpenAPI().Components.Schemas.Map(), "ErrorModel") // the library's own form of errors: nobody gets it
	delete(s.huma.OpenAPI().Components.Schemas.Map(), "ErrorDetail")
	s.describe()
	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(s.huma.OpenAPI()) })
	older := sync.OnceValues(func() ([]byte, error) { return s.huma.OpenAPI().Downgrade() })
	yaml := sync.OnceValues(func() ([]byte, error) { return s.huma.OpenAPI().YAML() })
	g.GET(access.Viewer, "/openapi.json", serve("application/openapi+json", document))
	g.GET(access.Viewer, "/openapi-3.0.json", serve("application/openapi+json", older)) // for generators that do not read 3.1
	g.GET(access.Viewer, "/openapi.yaml", serve("application/openapi+yaml", yaml))
}

func serve(contentType string, content func() ([]byte, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		b, err := content()
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, contentType, b)
	}
}
