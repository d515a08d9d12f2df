package providertest

import (
	"net/http"
	"testing"
	"time"

	"callwatch/normalizer/simulate"
)

// Signed is a request with the headers that a scheme of the simulator must give it. The
// vectors are published ones, or computed from the scheme's definition with another
// implementation.
type Signed struct {
	Scheme           simulate.Scheme
	Key              string
	Unix             int64
	URL, ContentType string
	Body             string
	Given, Want      map[string]string // headers
}

// Schemes checks that the simulator signs as the provider does.
func Schemes(t *testing.T, tests map[string]Signed) {
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := simulate.Draft{URL: tt.URL, Header: http.Header{}, Body: []byte(tt.Body), Now: time.Unix(tt.Unix, 0)}
			d.Header.Set("Content-Type", tt.ContentType)
			for name, value := range tt.Given {
				d.Header.Set(name, value)
			}
			if err := tt.Scheme.Sign(tt.Key, &d); err != nil {
				t.Fatal(err)
			}
			for name, want := range tt.Want {
				if got := d.Header.Get(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
		})
	}
}
