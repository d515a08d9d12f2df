package checker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// digest names a body in the ledger.
func digest(body []byte) string {
	sum := sha256.Sum256(bytes.TrimSpace(body))
	return hex.EncodeToString(sum[:16])
}
