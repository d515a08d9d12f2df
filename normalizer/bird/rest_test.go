package bird

import (
	"strings"
	"testing"

	"callwatch/normalizer"
)

func TestBirdRegion(t *testing.T) {
	for key, want := range map[string]string{
		"AbCd": "https://api.bird.com", "bk_us1_x": "https://us1.platform.bird.com/v1", "bk_eu1_a_b": "https://eu1.platform.bird.com/v1",
		"bk_x": "https://api.bird.com/v1", "bk_evil.example/_x": "https://api.bird.com/v1", "bk__x": "https://api.bird.com/v1",
		"bk_" + strings.Repeat("a", 60) + "_x": "https://api.bird.com/v1",
	} {
		if got := base(normalizer.Keys{"ACCESS_KEY": {key}}); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}
