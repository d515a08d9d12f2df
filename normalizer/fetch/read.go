package fetch

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

// read takes the body of an answer that should be JSON.
func (a *Answer) read(resp *http.Response) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	a.ContentType = "application/json"
	switch {
	case err != nil:
		a.Outcome, a.Reason = Down, reasonOf(err)
	case len(body) > maxBody:
		a.Outcome, a.Reason = Broken, fmt.Sprintf("larger than %d MiB", maxBody>>20)
	case !isJSON(resp.Header.Get("Content-Type")):
		a.Outcome, a.Reason = Broken, "not of the type application/json"
	case !json.Valid(body):
		a.Outcome, a.Reason = Broken, "not JSON"
	default:
		a.Outcome, a.Body, a.Reason = Ready, body, ""
	}
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json"))
}

// reasonOf is an error of the network in words of ours: the library's quote the
// address and what came from the far side.
func reasonOf(err error) string {
	var (
		dns     *net.DNSError
		timeout net.Error
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, errAddress):
		return errAddress.Error()
	case errors.Is(err, errHost):
		return errHost.Error()
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &dns):
		return "the name of the host cannot be resolved"
	case errors.As(err, &cert), errors.As(err, &record):
		return "no secure connection"
	default:
		return "the connection failed"
	}
}
