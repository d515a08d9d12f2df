package shipped

import (
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"callwatch/normalizer"
	"callwatch/normalizer/simulate"
)

const (
	authToken   = "AUTH_TOKEN"
	plivoHeader = "X-Plivo-Signature-V3"
	plivoNonce  = "X-Plivo-Signature-V3-Nonce"
)

// verifyPlivo checks signature V3: the HMAC-SHA256 of the address without its query, "?",
// the query in order, a dot after it, the pairs of the form in order, a dot, the nonce
// (plivo/plivo-python plivo/utils/signature_v3.py).
func verifyPlivo(r *normalizer.Request, k normalizer.Keys) (string, error) {
	nonce, header := r.Header.Get(plivoNonce), r.Header.Get(plivoHeader)
	form, err := url.ParseQuery(string(r.Body))
	if err != nil || len(form) == 0 || nonce == "" || len(header) > 2048 || !normalizer.IsForm(r.ContentType, r.Body) {
		return "", normalizer.ErrSignature
	}
	given := map[string]bool{}
	for signature := range strings.SplitSeq(header, ",") {
		given[strings.TrimSpace(signature)] = true
	}
	key, err := normalizer.TryKeys(k, authToken, func(key string) bool {
		return slices.ContainsFunc(normalizer.PortVariants(r.URL), func(address string) bool {
			return given[plivoSignature(key, address, form, nonce)]
		})
	})
	r.Signed = nonce
	return key, err
}

// plivoSignature is signature V3 of a form.
func plivoSignature(key, address string, form url.Values, nonce string) string {
	base, _, _ := strings.Cut(address, "?")
	text := base + "?" + joined(queryOf(address), "=", "&")
	if len(queryOf(address)) > 0 {
		text += "."
	}
	return base64.StdEncoding.EncodeToString(normalizer.HMACSHA256([]byte(key), []byte(text+joined(form, "", "")+"."+nonce)))
}

// signPlivo signs as Plivo does; the nonce is of the body.
func signPlivo(key string, d *simulate.Draft) error {
	form, err := url.ParseQuery(string(d.Body))
	if err != nil {
		return err
	}
	sum := normalizer.BodyDigest(d.Body)
	nonce := hex.EncodeToString(sum[:10])
	d.Header.Set(plivoNonce, nonce)
	d.Header.Set(plivoHeader, plivoSignature(key, d.URL, form, nonce))
	return nil
}

// joined are pairs in the order of their names, several values of a name in order too.
func joined(values url.Values, between, after string) string {
	var parts []string
	for name, all := range values {
		for _, v := range all {
			parts = append(parts, name+"\x00"+v)
		}
	}
	slices.Sort(parts)
	for i, p := range parts {
		parts[i] = strings.Replace(p, "\x00", between, 1)
	}
	return strings.Join(parts, after)
}

func queryOf(address string) url.Values {
	_, query, _ := strings.Cut(address, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil
	}
	return values
}
