package notifier

import (
	"fmt"
	"time"
)

const (
	listSize  = 100         // incidents in one message of the list, at most
	maxListed = 5000        // further ones are counted: the log and the API have them
	listFirst = time.Minute // until the first message that is not full, doubled with each, at most until calm
)

// listing is how much of what is not listed yet gets a line.
type listing int

const (
	whole listing = iota // what fills a message
	due                  // what is known
	last                 // all
)

const listPrefix = "list/"

func listName(from, to int) string { return fmt.Sprintf("%s%d-%d", listPrefix, from+1, to) }

// listedBefore are the parts of the list that the ledger knows: a process that goes on
// with a storm cuts it at the same places.
func listedBefore(sent map[string]Sent) map[int]int {
	parts := map[int]int{}
	for name := range sent {
		var from, to int
		if n, err := fmt.Sscanf(name, listPrefix+"%d-%d", &from, &to); n == 2 && err == nil && from > 0 && to >= from && to-from < listSize && name == listName(from-1, to) {
			parts[from-1] = to
		}
	}
	return parts
}

// listed is how many members have a line.
func (st *storm) listed() int {
	if n := len(st.lines); n > 0 {
		return st.lines[n-1].To
	}
	return 0
}

// list makes lines of the members that are to be listed now.
func (st *storm) list(how listing) {
	for {
		from := st.listed()
		to := min(from+listSize, len(st.members), maxListed)
		part, before := st.parts[from]
		if before {
			to = min(part, len(st.members))
		}
		switch {
		case before && to < part && how != last:
			return // a replay has not reached its end yet
		case from >= to || !before && to-from < listSize && how == whole:
			return
		}
		var entries []string
		known := from // without a gap
		for i, m := range st.members[from:to] {
			if m.text == "" {
				continue
			}
			if entries = append(entries, m.text); known == from+i {
				known++
			}
		}
		switch {
		case known == to || how == last:
		case how == due && !before && known > from:
			entries, to = entries[:known-from], known
		default:
			return // a replay has not reached the others yet
		}
		st.lines = append(st.lines, Line{Name: listName(from, to), Step: StepListed, From: from + 1, To: to, Listed: entries})
	}
}

// listBy sets when the members that have no line yet get one.
func (st *storm) listBy(now time.Time) {
	switch waits := st.listed() < min(len(st.members), maxListed); {
	case !waits:
		st.listAt = time.Time{}
	case st.listAt.IsZero():
		st.listAt = now.Add(max(st.listIn, listFirst))
	}
}

// listDue lists what waits for it, if it is time, and returns when that is; zero for never.
func (st *storm) listDue(now time.Time) (next time.Time, some bool) {
	if st.listAt.IsZero() || now.Before(st.listAt) {
		return st.listAt, false
	}
	before := len(st.lines)
	st.list(due)
	st.listAt, st.listIn = time.Time{}, min(2*max(st.listIn, listFirst), calm)
	st.listBy(now)
	return st.listAt, len(st.lines) > before
}
