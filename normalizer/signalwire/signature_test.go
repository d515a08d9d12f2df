package signalwire

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"callwatch/normalizer"
	"callwatch/normalizer/providertest"
)

const (
	swKey   = "PSKtest1234567890abcdef"
	swURL   = "https://hooks.example.com/signalwire/status?tenant=1"
	swForm  = "application/x-www-form-urlencoded"
	swJSON  = "application/json"
	swBodyA = `{"event":"call.state","params":{"call_id":"abc-123","state":"answered"}}`
	swURLA  = "https://example.ngrok.io/webhook"
	swBodyC = `{"event":"call.state"}`
	swURLC  = "https://example.ngrok.io/webhook?bodySHA256=69f3cbfc18e386ef8236cb7008cd5a54b7fed637a8cb3373b5a1591d7f0fd5f4"
	swURLB  = "https://mycompany.com/myapp.php?foo=1&bar=2"
	swBodyB = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"

	swSignA   = "c3c08c1fefaf9ee198a100d5906765a6f394bf0f"
	swStrongA = "2a29f8a92b11df39da80c3b185fd62173d49c294184da585ff951eae4433571c"
	swSignB   = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
	swSignC   = "dfO9ek8mxyFtn2nMz24plPmPfIY="
	swSignG   = "Jp9kc7OCBMIfyoWr2JnP/25YBi0="
)

func swRequest(address, contentType, body, signature, strong string) normalizer.Request {
	r := normalizer.Request{URL: address, Header: http.Header{}, Body: []byte(body), ContentType: contentType, ReceivedAt: providertest.ReceivedAt()}
	if signature != "" {
		r.Header.Set(signalwireSignature, signature)
	}
	if strong != "" {
		r.Header.Set(strongSignature, strong)
	}
	return r
}

func swKeys() normalizer.Keys { return normalizer.Keys{signingKey: {"12345", swKey}} }

func TestSignalwireSignature(t *testing.T) {
	alias := swRequest(swURLB, swForm, swBodyB, "", "")
	alias.Header.Set(signalwireAlias, swSignB)
	fragment := strings.Replace(swURLB, "mycompany.com", "mycompany.com:443", 1)
	bareURL := hmacBase64(swKey, swURL)
	for name, test := range map[string]struct {
		request normalizer.Request
		key     string
	}{
		"A SHA-1":                     {swRequest(swURLA, swJSON, swBodyA, swSignA, ""), "SIGNING_KEY 2"},
		"A SHA-256":                   {swRequest(swURLA, swJSON, swBodyA, swSignA, swStrongA), "SIGNING_KEY 2"},
		"A SHA-256 alone":             {swRequest(swURLA, swJSON, swBodyA, "", swStrongA), "SIGNING_KEY 2"},
		"B":                           {swRequest(swURLB, swForm, swBodyB, swSignB, ""), "SIGNING_KEY 1"},
		"B alias":                     {alias, "SIGNING_KEY 1"},
		"B with a charset":            {swRequest(swURLB, swForm+"; charset=UTF-8", swBodyB, swSignB, ""), "SIGNING_KEY 1"},
		"B standard port":             {swRequest(fragment, swForm, swBodyB, swSignB, ""), "SIGNING_KEY 1"},
		"C":                           {swRequest(swURLC, swJSON, swBodyC, swSignC, ""), "SIGNING_KEY 2"},
		"G repeated and empty keys":   {swRequest(swURL, swForm, "CallSid=1&To=b&To=a&Empty=", swSignG, ""), "SIGNING_KEY 2"},
		"A another URL":               {swRequest(swURLA+"/", swJSON, swBodyA, swSignA, ""), ""},
		"A another body":              {swRequest(swURLA, swJSON, swBodyA+" ", swSignA, ""), ""},
		"A wrong SHA-256, right SHA1": {swRequest(swURLA, swJSON, swBodyA, swSignA, strings.Repeat("0", 64)), ""},
		"A upper case":                {swRequest(swURLA, swJSON, swBodyA, strings.ToUpper(swSignA), ""), ""},
		"A no header":                 {swRequest(swURLA, swJSON, swBodyA, "", ""), ""},
		"B one value":                 {swRequest(swURLB, swForm, strings.Replace(swBodyB, "1234&", "1235&", 1), swSignB, ""), ""},
		"B no header":                 {swRequest(swURLB, swForm, swBodyB, "", ""), ""},
		"B another port":              {swRequest(strings.Replace(swURLB, ".com", ".com:8443", 1), swForm, swBodyB, swSignB, ""), ""},
		"B plain http":                {swRequest(strings.Replace(swURLB, "https", "http", 1), swForm, swBodyB, swSignB, ""), ""},
		"B not a form":                {swRequest(swURLB, swForm, "a=%zz", swSignB, ""), ""},
		"C another body":              {swRequest(swURLC, swJSON, swBodyC+" ", swSignC, ""), ""},
		"C another digest":            {swRequest(strings.Replace(swURLC, "69f3", "69f4", 1), swJSON, swBodyC, swSignC, ""), ""},
		"bare URL, form":              {swRequest(swURL, swForm, "CallSid=1", bareURL, ""), ""},
		"bare URL, empty form":        {swRequest(swURL, swForm, "", bareURL, ""), ""},
		"bare URL, JSON":              {swRequest(swURL, swJSON, swBodyA, bareURL, ""), ""},
		"G order of repeated keys":    {swRequest(swURL, swForm, "CallSid=1&To=a&To=b&Empty=", swSignG, ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := verifySignalwire(&test.request, swKeys())
			if key != test.key || (test.key == "") != errors.Is(err, normalizer.ErrSignature) {
				t.Errorf("key %q, error %v; want %q", key, err, test.key)
			}
			if _, err := verifySignalwire(&test.request, normalizer.Keys{signingKey: {"another"}}); !errors.Is(err, normalizer.ErrSignature) {
				t.Errorf("another key: %v", err)
			}
			if _, err := verifySignalwire(&test.request, normalizer.Keys{}); !errors.Is(err, normalizer.ErrSignature) {
				t.Errorf("no key: %v", err)
			}
		})
	}
}

func TestSignalwireSignatureCorpus(t *testing.T) {
	dir := filepath.Join(providertest.CorpusDir(t), "signalwire")
	for _, v := range []struct{ file, contentType, signature, strong string }{
		{"20_compat_status_completed_captured_good.form.txt", swForm, "GERbrX1H/jezqnRGAPh9ptLoVTg=", ""},
		{"22_compat_status_busy_no_audio.form.txt", swForm, "99fEBMR1NROgfH11U52kefEtZdQ=", ""},
		{"31_relay_call_state_ended.json", swJSON, "ecd12ac2cfbb7348bdf789078a20e8bdb51165ab", ""},
		{"31_relay_call_state_ended.json", swJSON, "", "29b20bd0b32b1e3136fb396dad965762e109e598529e2212d0b6adc041c0cb71"},
	} {
		body, err := os.ReadFile(filepath.Join(dir, v.file))
		if err != nil {
			t.Fatal(err)
		}
		r := swRequest(swURL, v.contentType, string(body), v.signature, v.strong)
		if _, err := verifySignalwire(&r, swKeys()); err != nil {
			t.Errorf("%s: %v", v.file, err)
		}
		changed := swRequest(swURL, v.contentType, strings.Replace(string(body), "c", "d", 1), v.signature, v.strong)
		if _, err := verifySignalwire(&changed, swKeys()); !errors.Is(err, normalizer.ErrSignature) {
			t.Errorf("%s changed: %v", v.file, err)
		}
	}
}

func TestSignalwireSpaceCheck(t *testing.T) {
	for value, ok := range map[string]bool{
		"example": true, "example.signalwire.com": true, "my-space": true,
		"": false, ".signalwire.com": false, "https://example.signalwire.com": false, "example.com": false, "a/b": false,
	} {
		if err := checkSpace(value); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// FuzzVerifySignalwire: what a form signs is its pairs in order, without
// anything between them; that is the scheme's, not ours.
func FuzzVerifySignalwire(f *testing.F) {
	signs := func(r *normalizer.Request) string {
		given, strong := r.Header.Get(signalwireSignature), r.Header.Get(strongSignature)
		if !normalizer.IsForm(r.ContentType, r.Body) {
			switch {
			case normalizer.DigestInURL(r.URL) != "":
				return given + " digest " + strings.Replace(r.URL, ".io:443/", ".io/", 1) + " " + string(r.Body)
			case strong != "":
				given = strong
			}
			return given + " json " + r.URL + " " + string(r.Body)
		}
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return "not a form"
		}
		signed := strings.Replace(r.URL, ".com:443/", ".com/", 1)
		for _, name := range slices.Sorted(maps.Keys(form)) {
			for _, value := range form[name] {
				signed += name + value
			}
		}
		return given + " form " + signed
	}
	providertest.FuzzVerify(f, Provider(), swKeys(), []string{signalwireSignature, strongSignature}, []providertest.Sealed{
		{Request: swRequest(swURLA, swJSON, swBodyA, swSignA, ""), Signs: signs},
		{Request: swRequest(swURLA, swJSON, swBodyA, swSignA, swStrongA), Signs: signs},
		{Request: swRequest(swURLB, swForm, swBodyB, swSignB, ""), Signs: signs},
		{Request: swRequest(swURLC, swJSON, swBodyC, swSignC, ""), Signs: signs},
		{Request: swRequest(swURL, swForm, "CallSid=1&To=b&To=a&Empty=", swSignG, ""), Signs: signs},
	})
}

func FuzzNormalizeSignalwire(f *testing.F) { providertest.FuzzNormalize(f, Provider(), "testdata") }

func hmacBase64(key, text string) string {
	return base64.StdEncoding.EncodeToString(normalizer.HMACSHA1([]byte(key), []byte(text)))
}

func TestStandardPort(t *testing.T) {
	for in, want := range map[string][]string{
		"https://a.example/x?y=1":    {"https://a.example/x?y=1", "https://a.example:443/x?y=1"},
		"https://a.example:443/x":    {"https://a.example:443/x", "https://a.example/x"},
		"http://a.example:80?q":      {"http://a.example:80?q", "http://a.example?q"},
		"https://a.example":          {"https://a.example", "https://a.example:443"},
		"https://a.example:8443/":    {"https://a.example:8443/"},
		"http://a.example:443/":      {"http://a.example:443/"},
		"https://[2001:db8::1]/x":    {"https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"},
		"https://[2001:db8::1]:9/x":  {"https://[2001:db8::1]:9/x"},
		"ftp://a.example/":           {"ftp://a.example/"},
		"https://a.example/x:443/?y": {"https://a.example/x:443/?y", "https://a.example:443/x:443/?y"},
	} {
		if got := normalizer.PortVariants(in); !slices.Equal(got, want) {
			t.Errorf("%s: %q", in, got)
		}
	}
}

func TestRecordsAreBoundedHere(t *testing.T) {
	page := `{"data":[` + strings.Repeat(`{"id":"a","created_at":"2026-10-30T08:00:00Z"},`, normalizer.MaxRecords) + `{}]}`
	for _, p := range []normalizer.Provider{Provider()} {
		_, err := normalizer.Events(p, &normalizer.Body{Source: normalizer.Imported, Bytes: []byte(page), ReceivedAt: providertest.ReceivedAt()}, normalizer.Options{})
		if err == nil || !strings.Contains(err.Error(), "records in one body") {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
