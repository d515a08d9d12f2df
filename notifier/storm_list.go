package notifier

import (
	"fmt"
	"strconv"
	"strings"
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

// part is a message of the list that the ledger knows.
type part struct {
	name string
	to   int // the last member in it, counted from 1
}

// listedBefore are the parts of the list that the ledger knows, by the member before
// their first: a process that goes on with a storm cuts it at the same places.
func listedBefore(sent map[string]Sent) map[int]part {
	parts := map[int]part{}
	for name := range sent {
		var from, to int
		if n, err := fmt.Sscanf(name, listPrefix+"%d-%d", &from, &to); n == 2 && err == nil && from > 0 && to >= from && to-from < listSize && name == listName(from-1, to) {
			parts[from-1] = part{name, to}
		}
		// An earlier version counted the messages, each of which but the last was full.
		if n, err := strconv.Atoi(strings.TrimPrefix(name, listPrefix)); err == nil && n > 0 && n <= maxListed/listSize && name == listPrefix+strconv.Itoa(n) {
			parts[(n-1)*listSize] = part{name, n * listSize}
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
		known, before := st.parts[from]
		if before {
			to = min(known.to, len(st.members))
		}
		switch {
		case before && to < known.to && how != last:
			return // a replay has not reached its end yet
		case from >= to || !before && to-from < listSize && how == whole:
			return
		}
		var entries []string
		complete := from // up to here, without a gap
		for i, m := range st.members[from:to] {
			if m.text == "" {
				continue
			}
			if entries = append(entries, m.text); complete == from+i {
				complete++
			}
		}
		switch {
		case complete == to || how == last:
		case how == due && !before && complete > from:
			entries, to = entries[:complete-from], complete
		default:
			return // a replay has not reached the others yet
		}
		name := listName(from, to)
		if before {
			name = known.name
		}
		st.lines = append(st.lines, Line{Name: name, Step: StepListed, From: from + 1, To: to, Listed: entries})
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
