package pipeline

import (
	"runtime"
	"testing"
	"time"
)

// A rule is not slow because its thread has to wait.
func TestThreadTimeStopsWhileTheThreadWaits(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, before := time.Now(), threadTime()
	time.Sleep(200 * time.Millisecond)
	if took, passed := threadTime()-before, time.Since(began); took > passed/4 {
		t.Errorf("%s of the processor while %s passed in a wait", took, passed)
	}
	before = threadTime()
	for began := time.Now(); threadTime()-before < 5*time.Millisecond; {
		if time.Since(began) > time.Minute {
			t.Fatal("the time of a thread that works does not go on")
		}
	}
}
