package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"callwatch/handlers/wording"
)

const (
	maxRequest = 64 << 10 // bytes of a request's body
	maxRules   = 5 << 20  // where it holds a rules file
)

// wantJSON refuses bodies of another type: those that any page can send without
// being asked.
func (s *service) wantJSON(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().RequestBody != nil {
		t, _, err := mime.ParseMediaType(ctx.Header(echo.HeaderContentType))
		if err != nil || t != jsonType {
			p := &ProblemDetails{Status: http.StatusUnsupportedMediaType, Title: "Unsupported media type", Detail: "Send application/json."}
			p.write(s.huma, ctx)
			return
		}
	}
	next(ctx)
}

// decodeRules reads a body that may hold a rules file, when it is its turn.
func (s *service) decodeRules(ctx context.Context, raw []byte, into any) error {
	if len(raw) > maxRequest {
		release, err := s.History.Turn(ctx)
		if err != nil {
			return err
		}
		defer release()
	}
	return decode(raw, into)
}

// decode reads the JSON body of a request: one value, known members only.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one value")
	}
	return badRequest(wording.JSONError(err))
}
