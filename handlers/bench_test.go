package handlers_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"callwatch/handlers"
	"callwatch/normalizer"
)

// BenchmarkWebhookToStored is the cost of one signed webhook of 2 KB up to a
// store that does nothing: routing, limits, signature, answer.
func BenchmarkWebhookToStored(b *testing.B) {
	h := handlers.New(handlers.Config{
		Providers: providers(), PublicURL: "https://hooks.example.com",
		Store: func(context.Context, normalizer.Body) (string, error) { return "raw-1", nil },
	})
	body := bytes.Repeat([]byte(`{"call":"c"} `), 160)
	sig := sign(secret, "https://hooks.example.com/webhooks/signing", string(body))
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/webhooks/signing", io.NopCloser(bytes.NewReader(body)))
		r.ContentLength = int64(len(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Sig", sig)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
