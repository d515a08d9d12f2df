package readmodel

import (
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

const (
	maxSearch   = 200 // bytes
	leastDigits = 3   // of a number that is searched by its end
	leastPrefix = 6   // characters of an id that is searched by its beginning
	mostAgents  = 5000
	mostNamed   = 50 // agents that a search chooses
)

// digitsOf are the digits of a text that is written as a phone number; "" for any
// other.
func digitsOf(text string) string {
	var digits []byte
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r == '+' && i == 0, strings.ContainsRune(" -.()/\u00a0\u2011", r):
		default:
			return ""
		}
	}
	return string(digits)
}

// reversedDigits are the digits of a number from the last on, "" for what is no
// number.
func reversedDigits(number string) string {
	number, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(number, "sip:"), "tel:"), "@")
	return reversed(digitsOf(strings.TrimSpace(number)))
}

func reversed(digits string) string {
	b := []byte(digits)
	slices.Reverse(b)
	return string(b)
}

// spellings are the ends of numbers that a searched text may mean, reversed: as it is
// written, and without a trunk or international prefix.
func spellings(text string) []string {
	digits := digitsOf(text)
	if len(digits) < leastDigits {
		return nil
	}
	out := []string{reversed(digits)}
	if short := strings.TrimLeft(digits, "0"); short != digits && len(short) >= 6 {
		out = append(out, reversed(short))
	}
	// +44 (0)20 7946 0018: the zero in parentheses is for calls within the country.
	if before, after, ok := strings.Cut(text, "(0)"); ok && digitsOf(before) != "" {
		out = append(out, reversed(digitsOf(before)+digitsOf(after)))
	}
	return out
}

// after is the smallest text behind all that begin with prefix.
func after(prefix string) string { return prefix + "\U0010ffff" }

// search is a condition for what was searched; few says that it chooses by indexes
// other than that of times and agents.
func search(conn *sqlite3.Conn, text string) (where string, args []any, few bool, err error) {
	var parts []string
	add := func(part string, values ...any) {
		parts, args = append(parts, part), append(args, values...)
	}
	add(`SELECT seq FROM calls WHERE "callId" = ?`, text)
	if len(text) >= leastPrefix {
		add(`SELECT seq FROM calls WHERE "callId" >= ? AND "callId" < ?`, text, after(text))
	}
	add(`SELECT seq FROM calls WHERE "sessionId" = ?`, text)
	add(`SELECT call FROM aliases WHERE alias = ?`, text)
	for _, end := range spellings(text) {
		for _, column := range []string{"fromEnd", "toEnd"} {
			add("SELECT seq FROM calls WHERE "+column+" >= ? AND "+column+" < ?", end, after(end))
		}
	}
	agents, err := agentsNamed(conn, text)
	if err != nil {
		return "", nil, false, err
	}
	where = "c.seq IN (" + strings.Join(parts, " UNION ") + ")"
	if len(agents) == 0 {
		return where, args, true, nil
	}
	named := `c."agentName" IN (?` + strings.Repeat(", ?", len(agents)-1) + ")"
	found, err := exists(conn, strings.Join(parts, " UNION "), args)
	if err != nil {
		return "", nil, false, err
	}
	if !found {
		where, args = named, nil // the index of agents alone
	} else {
		where = "(" + where + " OR " + named + ")"
	}
	for _, a := range agents {
		args = append(args, a)
	}
	return where, args, found, nil
}

func exists(conn *sqlite3.Conn, query string, args []any) (found bool, err error) {
	err = each(conn, "SELECT 1 WHERE EXISTS ("+query+")", args, func(*sqlite3.Stmt) (bool, error) {
		found = true
		return false, nil
	})
	return found, err
}

// agentsNamed are the agents whose name has a text in it, whatever the case. It goes
// from name to name in the index.
func agentsNamed(conn *sqlite3.Conn, text string) (names []string, err error) {
	stmt, _, err := conn.Prepare(`SELECT "agentName" FROM calls WHERE "agentName" > ? ORDER BY "agentName" LIMIT 1`)
	if err != nil {
		return nil, err
	}
	defer stmt.Close() //nolint:errcheck // it has the error of the last step
	text = strings.ToLower(text)
	last := ""
	for range mostAgents {
		if err := bind(stmt, last); err != nil {
			return nil, err
		}
		if !stmt.Step() {
			return names, stmt.Err()
		}
		last = stmt.ColumnText(0)
		if err := stmt.Reset(); err != nil {
			return nil, err
		}
		if strings.Contains(strings.ToLower(last), text) {
			if names = append(names, last); len(names) == mostNamed {
				break
			}
		}
	}
	return names, nil
}

// each runs a query and hands in its rows until fn wants no more.
func each(conn *sqlite3.Conn, sql string, args []any, fn func(*sqlite3.Stmt) (more bool, err error)) (err error) {
	stmt, _, err := conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer func() {
		if closed := stmt.Close(); err == nil {
			err = closed
		}
	}()
	if err := bind(stmt, args...); err != nil {
		return err
	}
	for stmt.Step() {
		if more, err := fn(stmt); err != nil || !more {
			return err
		}
	}
	return stmt.Err()
}
