// Package providertest is the suite that every provider passes. The test of a provider
// calls Run with its folder of test data; a provider without REST, simulator, fake API or
// table of fields is as good as any other. It imports the contract, and no provider.
package providertest

import (
	"os"
	"path/filepath"
	"testing"

	"callwatch/normalizer"
)

// Run holds a provider to the contract of package normalizer. dir has its test data:
//
//   - bodies: each body with the events it becomes (golden files)
//   - pairs: webhooks of one call, folded two at a time in both orders
//   - cases: bodies with what their events must be like, see package casefile
//   - fields.tsv: what becomes of each field of its bodies
//
// Only bodies and pairs are required.
func Run(t *testing.T, p normalizer.Provider, dir string) {
	t.Run("settings", func(t *testing.T) { Settings(t, p) })
	t.Run("verify", func(t *testing.T) { Verified(t, p) })
	t.Run("golden", func(t *testing.T) { Golden(t, p, dir) })
	t.Run("supplies", func(t *testing.T) { Supplies(t, p, dir) })
	t.Run("pairs", func(t *testing.T) { Pairs(t, p, dir) })
	t.Run("cases", func(t *testing.T) { Wants(t, p, dir) })
	t.Run("given up", func(t *testing.T) { GivenUp(t, p) })
	t.Run("rest", func(t *testing.T) { Requests(t, p, dir) })
	if _, err := os.Stat(filepath.Join(dir, "fields.tsv")); err == nil {
		t.Run("fields", func(t *testing.T) { Fields(t, p, dir) })
	}
}
