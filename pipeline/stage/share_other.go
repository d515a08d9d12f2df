//go:build !unix

package stage

import "time"

// processorTime is not known: the processors never count as busy.
func processorTime() time.Duration { return 0 }
