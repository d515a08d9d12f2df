package early

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func opened(t testing.TB, path string, last uint64) (*File, []Damage) {
	t.Helper()
	f, damaged, err := Open(path, last, 1<<20, true)
	if err != nil {
		t.Fatal(err)
	}
	return f, damaged
}

func all(t testing.TB, f *File) (found []string) {
	t.Helper()
	for f.Again(); ; {
		e, ok, err := f.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return found
		}
		found = append(found, fmt.Sprintf("%d %s", e.Seq, e.Frame))
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "early")
	f, _ := opened(t, path, 41)
	for i, frame := range []string{"a", "bb"} {
		if seq, err := f.Append([]byte(frame)); err != nil || seq != uint64(42+i) {
			t.Fatal(seq, err)
		}
	}
	if _, err := f.Append(make([]byte, 1<<20)); !errors.Is(err, ErrFull) {
		t.Errorf("beyond its limit: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, damaged := opened(t, path, 42) // the first was moved
	if _, err := f.Append([]byte("c")); err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	if got, want := all(t, f), []string{"42 a", "43 bb", "44 c"}; !slices.Equal(got, want) || f.Base() != 41 {
		t.Errorf("it has %q behind %d", got, f.Base())
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// A full disk leaves the file as it was.
func TestFailedWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "early")
	f, _ := opened(t, path, 0)
	if _, err := f.Append([]byte("a")); err != nil {
		t.Fatal(err)
	}
	file := f.file
	closed, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f.file = closed // takes no writes
	if _, err := f.Append([]byte("b")); err == nil {
		t.Fatal("the write does not fail")
	}
	f.file = file
	if seq, err := f.Append([]byte("c")); err != nil || seq != 2 {
		t.Errorf("the next gets %d, %v", seq, err)
	}
	if got := all(t, f); !slices.Equal(got, []string{"1 a", "2 c"}) {
		t.Errorf("it has %q", got)
	}
}

// Any file can be opened, and what is in it in whole entries is found.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "early")
	x, _ := opened(f, path, 6)
	for _, frame := range []string{"a", "bb", "ccc"} {
		if _, err := x.Append([]byte(frame)); err != nil {
			f.Fatal(err)
		}
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sound[:0], 0)
	f.Add(sound[:20], 3)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, len(sound))
	f.Fuzz(func(t *testing.T, garbage []byte, cut int) {
		cut = min(max(cut, 0), len(sound))
		path := filepath.Join(t.TempDir(), "early")
		if err := os.WriteFile(path, append(slices.Clone(garbage), sound[cut:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		file, _ := opened(t, path, 0)
		got := all(t, file)
		if cut == 0 && !slices.Equal(got[max(0, len(got)-3):], []string{"7 a", "8 bb", "9 ccc"}) {
			t.Errorf("found are %q", got)
		}
		if _, err := file.Append([]byte("next")); err != nil {
			t.Fatal(err)
		}
		if again := all(t, file); len(again) != len(got)+1 {
			t.Errorf("%d entries and one more are %d", len(got), len(again))
		}
	})
}
