package readmodel

import (
	"strings"

	"github.com/ncruces/go-sqlite3"

	"callwatch/pipeline/readmodel/schema"
	"callwatch/pipeline/readmodel/sqlitefile"
)

const (
	maxSearch   = 200 // bytes
	leastPrefix = 6   // characters of an id that is searched by its beginning
	mostAgents  = 5000
	mostNamed   = 50 // agents that a search chooses
)

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
	for _, end := range schema.NumberEnds(text) {
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
	err = sqlitefile.Each(conn, "SELECT 1 WHERE EXISTS ("+query+")", args, func(*sqlite3.Stmt) (bool, error) {
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
		if err := sqlitefile.Bind(stmt, last); err != nil {
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
