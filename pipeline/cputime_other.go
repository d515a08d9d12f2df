//go:build !linux

package pipeline

import "time"

var started = time.Now()

// threadTime is the time since the process began: the processor time of one thread is
// asked for on Linux only.
func threadTime() time.Duration { return time.Since(started) }
