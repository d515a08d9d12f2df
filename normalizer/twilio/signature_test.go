package twilio

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
	"callwatch/normalizer/simulate"
)

// The vendor's own vectors: twilio.com/docs/usage/security and twilio/twilio-go
// client/request_validator_test.go.
const (
	vectorURL  = "https://mycompany.com/myapp.php?foo=1&bar=2"
	vectorForm = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
	vectorSign = "RSOYDt4T1cUTdK1PDd93/VVr8B8="

	digestURL  = vectorURL + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
	digestBody = `{"property": "value", "boolean": true}`
	digestSign = "a9nBmqA0ju/hNViExpshrM61xv4="

	vectorToken = "12345"
)

func signed(address, contentType, body, given string) normalizer.Request {
	r := normalizer.Request{URL: address, Header: http.Header{}, Body: []byte(body), ContentType: contentType, ReceivedAt: providertest.ReceivedAt()}
	if given != "" {
		r.Header.Set(signature, given)
	}
	return r
}

func keys() normalizer.Keys { return normalizer.Keys{authToken: {"old", vectorToken}} }

func TestSignature(t *testing.T) {
	withPort := strings.Replace(vectorURL, ".com/", ".com:443/", 1)
	for name, c := range map[string]struct {
		request normalizer.Request
		ok      bool
	}{
		"form":                       {signed(vectorURL, simulate.FormType, vectorForm, vectorSign), true},
		"form in another order":      {signed(vectorURL, simulate.FormType, "To=%2B18005551212&From=%2B14158675309&Digits=1234&Caller=%2B14158675309&CallSid=CA1234567890ABCDE", vectorSign), true},
		"form with a charset":        {signed(vectorURL, simulate.FormType+"; charset=UTF-8", vectorForm, vectorSign), true},
		"form, signed without port":  {signed(withPort, simulate.FormType, vectorForm, vectorSign), true},
		"JSON":                       {signed(digestURL, simulate.JSONType, digestBody, digestSign), true},
		"JSON, signed without port":  {signed(strings.Replace(digestURL, ".com/", ".com:443/", 1), simulate.JSONType, digestBody, digestSign), true},
		"CloudEvents":                {signed(digestURL, "application/cloudevents-batch+json", digestBody, digestSign), true},
		"another port":               {signed(strings.Replace(vectorURL, ".com/", ".com:8443/", 1), simulate.FormType, vectorForm, vectorSign), false},
		"another address":            {signed(strings.Replace(vectorURL, "bar=2", "bar=3", 1), simulate.FormType, vectorForm, vectorSign), false},
		"another form":               {signed(vectorURL, simulate.FormType, vectorForm+"&x=1", vectorSign), false},
		"another body":               {signed(digestURL, simulate.JSONType, digestBody+" ", digestSign), false},
		"another digest":             {signed(strings.Replace(digestURL, "0a1f", "0a1e", 1), simulate.JSONType, digestBody, digestSign), false},
		"JSON without digest":        {signed(vectorURL, simulate.JSONType, digestBody, bare(vectorURL)), false},
		"form without pairs":         {signed(vectorURL, simulate.FormType, "", bare(vectorURL)), false},
		"form that is none":          {signed(vectorURL, simulate.FormType, "a=%zz", vectorSign), false},
		"no signature":               {signed(vectorURL, simulate.FormType, vectorForm, ""), false},
		"signature that is no text":  {signed(vectorURL, simulate.FormType, vectorForm, "&&&"), false},
		"signature of another token": {signed(vectorURL, simulate.FormType, vectorForm, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), false},
	} {
		key, err := Provider().Verify(&c.request, keys())
		if c.ok != (err == nil) || c.ok && key != "AUTH_TOKEN 2" || !c.ok && !errors.Is(err, normalizer.ErrSignature) {
			t.Errorf("%s: key %q, %v", name, key, err)
		}
	}
}

// A webhooks rule has requests signed by its shared key and SHA-256. The vector is by
// Python's hmac; neither key counts for the other hash.
func TestSharedKey(t *testing.T) {
	const strong = "KsDM1TaUaD3zgC1znRg16Ev1YKZza+BBNZfOn7e5P/E="
	for name, c := range map[string]struct {
		keys  normalizer.Keys
		given string
		want  string
	}{
		"shared key":         {normalizer.Keys{authToken: {vectorToken}, sharedKey: {"old", "shared"}}, strong, "SHARED_KEY 2"},
		"auth token":         {normalizer.Keys{authToken: {vectorToken}, sharedKey: {"shared"}}, vectorSign, "AUTH_TOKEN 1"},
		"not configured":     {normalizer.Keys{authToken: {vectorToken, "shared"}}, strong, ""},
		"weaker hash":        {normalizer.Keys{sharedKey: {vectorToken}}, vectorSign, ""},
		"another shared key": {normalizer.Keys{sharedKey: {"other"}}, strong, ""},
	} {
		r := signed(vectorURL, simulate.FormType, vectorForm, c.given)
		if key, err := Provider().Verify(&r, c.keys); key != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: key %q, %v", name, key, err)
		}
	}
}

// bare is the right signature of an address alone, which covers no body.
func bare(address string) string {
	d := simulate.Draft{URL: address, Header: http.Header{}}
	if err := simulate.ByURLSignature(authToken, signature).Sign(vectorToken, &d); err != nil {
		panic(err)
	}
	return d.Header.Get(signature)
}

func TestSimulatedSignatures(t *testing.T) {
	scheme := simulate.ByURLSignature(authToken, signature)
	providertest.Schemes(t, map[string]providertest.Signed{
		"form": {Scheme: scheme, Key: vectorToken, URL: vectorURL, ContentType: simulate.FormType, Body: vectorForm, Want: map[string]string{signature: vectorSign}},
		"JSON": {Scheme: scheme, Key: vectorToken, URL: digestURL, ContentType: simulate.JSONType, Body: digestBody, Want: map[string]string{signature: digestSign}},
	})
}

func FuzzVerifyTwilio(f *testing.F) {
	signs := func(r *normalizer.Request) string {
		signed := r.Header.Get(signature) + " " + strings.Replace(r.URL, ".com:443/", ".com/", 1)
		if !normalizer.IsForm(r.ContentType, r.Body) {
			return signed + " " + string(r.Body)
		}
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return "not a form"
		}
		for _, name := range slices.Sorted(maps.Keys(form)) {
			for _, value := range form[name] {
				signed += name + value
			}
		}
		return signed
	}
	providertest.FuzzVerify(f, Provider(), keys(), []string{signature}, []providertest.Sealed{
		{Request: signed(vectorURL, simulate.FormType, vectorForm, vectorSign), Signs: signs},
		{Request: signed(digestURL, simulate.JSONType, digestBody, digestSign), Signs: signs},
	})
}

func TestSIDs(t *testing.T) {
	for value, ok := range map[string]bool{
		"AC00000000000000000000000000000000": true, "ACaBcDeF00000000000000000000000000": true,
		"SK00000000000000000000000000000000": false, "AC0000": false, "": false, "AC0000000000000000000000000000000g": false,
	} {
		if err := checkSID("AC")(value); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}
