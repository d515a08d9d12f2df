package handlers

import "net/http"

// Outcome names how a webhook request ended. The answer follows from it alone.
type Outcome string

// All outcomes. Stale and BadSignature get the same answer, so that a forger
// learns nothing.
const (
	Accepted        Outcome = "accepted"
	Unverified      Outcome = "unverified"        // accepted without a check, in development
	UnknownProvider Outcome = "unknown_provider"  // 404
	ProviderOff     Outcome = "provider_off"      // 403, no verification configured
	BadType         Outcome = "content_type"      // 415
	BadEncoding     Outcome = "content_encoding"  // 415, unknown or broken compression
	TooLarge        Outcome = "too_large"         // 413, as sent or inflated
	BadSignature    Outcome = "bad_signature"     // 401
	Stale           Outcome = "stale_signature"   // 401
	Incomplete      Outcome = "incomplete"        // 503, the body broke off or came too slowly
	Overloaded      Outcome = "overloaded"        // 503, too many bytes in flight
	Unavailable     Outcome = "store_unavailable" // 503
	Broken          Outcome = "internal_error"    // 503, a fault in callwatch itself
)

// Outcomes are all there are.
func Outcomes() []Outcome {
	return []Outcome{
		Accepted, Unverified, UnknownProvider, ProviderOff, BadType, BadEncoding, TooLarge, BadSignature, Stale,
		Incomplete, Overloaded, Unavailable, Broken,
	}
}

// ok says whether the webhook is ours now.
func (o Outcome) ok() bool { return o == Accepted || o == Unverified }

// problem is the answer to a request that was not accepted.
func (o Outcome) problem() *problem {
	switch o {
	case UnknownProvider:
		return &problem{status: http.StatusNotFound, title: "Unknown provider", detail: "No provider has this name."}
	case ProviderOff:
		return &problem{status: http.StatusForbidden, title: "Provider is off", detail: "No verification is configured for this provider."}
	case BadType:
		return &problem{status: http.StatusUnsupportedMediaType, title: "Unsupported content type", detail: "Send application/json or application/x-www-form-urlencoded."}
	case BadEncoding:
		return &problem{status: http.StatusUnsupportedMediaType, title: "Unsupported content encoding", detail: "Send the body plain, or valid gzip or deflate."}
	case TooLarge:
		return &problem{status: http.StatusRequestEntityTooLarge, title: "Body too large", detail: "The body is larger than this server accepts."}
	case BadSignature, Stale:
		return &problem{status: http.StatusUnauthorized, title: "Not verified", detail: "Signature or token is missing, wrong or too old."}
	case Incomplete:
		return &problem{status: http.StatusServiceUnavailable, title: "Body incomplete", detail: "The body did not arrive in full. Send it again."}
	case Overloaded:
		return overloaded()
	default:
		return &problem{status: http.StatusServiceUnavailable, title: "Not stored", detail: "The webhook could not be stored. Send it again."}
	}
}

func overloaded() *problem {
	return &problem{status: http.StatusServiceUnavailable, title: "Overloaded", detail: "Too much is in flight. Send it again."}
}
