package handlers

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/labstack/echo/v4"

	"callwatch/handlers/wording"
)

// maxRequest bounds the JSON body of a request in bytes.
const maxRequest = 64 << 10

// readRequest reads the JSON body of a request: one value, known members only.
func readRequest(c echo.Context, into any) error {
	if t, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType)); err != nil || t != echo.MIMEApplicationJSON {
		return &problem{status: http.StatusUnsupportedMediaType, title: "Unsupported media type", detail: "Send application/json."}
	}
	d := json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, maxRequest))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one value")
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &problem{status: http.StatusRequestEntityTooLarge, title: "Too large", detail: "The body may have 64 KiB at most."}
	}
	return &problem{status: http.StatusBadRequest, title: "Bad request", detail: wording.JSONError(err)}
}
