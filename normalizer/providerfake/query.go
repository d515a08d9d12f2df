package providerfake

import (
	"net/http"
	"strconv"
	"time"
)

// Whole is a parameter that is a number, within its bounds, or its default.
func Whole(r *http.Request, name string, without, most int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return without
	}
	return min(max(n, 0), most)
}

// Instant is a parameter that is a time in one of the layouts; zero for none.
func Instant(r *http.Request, name string, layouts ...string) time.Time {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, r.URL.Query().Get(name)); err == nil {
			return t
		}
	}
	return time.Time{}
}

// After is the place behind the call that a cursor names, 0 for no cursor.
func After(calls []*Call, cursor string) int {
	if cursor == "" {
		return 0
	}
	for i, c := range calls {
		if c.ID == cursor {
			return i + 1
		}
	}
	return len(calls)
}
