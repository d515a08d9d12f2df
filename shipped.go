// Package callwatch holds what the binary ships with.
package callwatch

import _ "embed"

// Rules is the shipped rules.yaml: used where no other rules file is configured.
//
//go:embed rules.yaml
var Rules []byte
