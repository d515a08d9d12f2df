package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/access"
)

//go:embed static
var static embed.FS

// routeStatic serves the embedded files under /static; a browser asks each time
// and is told that it did not change. They hold nothing that is secret.
func (c *console) routeStatic(e *echo.Echo) {
	types := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		tag := `"` + hex.EncodeToString(sum[:8]) + `"`
		serve := func(ec echo.Context) error {
			h := ec.Response().Header()
			h.Set("Content-Type", types[path.Ext(name)])
			h.Set("Cache-Control", "no-cache")
			h.Set("ETag", tag)
			http.ServeContent(ec.Response(), ec.Request(), name, time.Time{}, bytes.NewReader(content))
			return nil
		}
		c.Gate.Add(e, access.Anyone(), http.MethodGet, "/"+name, serve)
		c.Gate.Add(e, access.Anyone(), http.MethodHead, "/"+name, serve)
		return nil
	})
	if err != nil {
		panic(err) // the files are in the program: they can be read
	}
}
