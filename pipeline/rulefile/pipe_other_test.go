//go:build !unix

package rulefile

import "os"

// pipe makes a folder: these systems have no named pipes.
func pipe(path string) error { return os.Mkdir(path, 0o700) }
