package embedded

import (
	"encoding/json"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"

	"callwatch/stream/disk"
)

// marksFile keeps how far each stream has been written, apart from the streams: a
// stream that has lost its end cannot tell by itself.
const marksFile = "marks.json"

// ReadMarks are the last sequences by stream. A file that is missing or damaged
// tells nothing.
func ReadMarks(dir string) map[string]uint64 {
	b, err := os.ReadFile(filepath.Join(dir, marksFile))
	if err != nil {
		return nil
	}
	var stored struct {
		Last  map[string]uint64 `json:"last"`
		Check uint32            `json:"check"`
	}
	if json.Unmarshal(b, &stored) != nil || stored.Check != marksSum(stored.Last) {
		return nil
	}
	return stored.Last
}

// WriteMarks notes how far the streams are now and what else is noted, if that has
// changed since had.
func (n *Server) WriteMarks(had, noted map[string]uint64) (map[string]uint64, error) {
	now := n.lastSequences()
	if now != nil {
		maps.Copy(now, noted)
	}
	if now == nil || maps.Equal(now, had) {
		return had, nil
	}
	b, err := json.Marshal(map[string]any{"last": now, "check": marksSum(now)})
	if err != nil {
		return had, err
	}
	return now, disk.Replace(filepath.Join(n.opts.StoreDir, marksFile), b)
}

// States of all streams, empty when the server does not tell.
func (n *Server) States() map[string]server.StreamState {
	states := map[string]server.StreamState{}
	srv := n.Running.Load()
	if srv == nil {
		return states
	}
	z, err := srv.Jsz(&server.JSzOptions{Streams: true})
	if err != nil {
		return states
	}
	for _, a := range z.AccountDetails {
		for _, s := range a.Streams {
			states[s.Name] = s.State
		}
	}
	return states
}

// Bytes that each stream holds.
func (n *Server) Bytes() map[string]uint64 {
	held := map[string]uint64{}
	for name, state := range n.States() {
		held[name] = state.Bytes
	}
	return held
}

// lastSequences of all streams, nil when the server does not tell.
func (n *Server) lastSequences() map[string]uint64 {
	srv := n.Running.Load()
	if srv == nil {
		return nil
	}
	z, err := srv.Jsz(&server.JSzOptions{Streams: true})
	if err != nil {
		return nil
	}
	last := map[string]uint64{}
	for _, a := range z.AccountDetails {
		for _, s := range a.Streams {
			last[s.Name] = s.State.LastSeq
		}
	}
	return last
}

// marksSum makes a damaged mark worthless instead of wrong: one that is too high
// would report losses that never were.
func marksSum(last map[string]uint64) uint32 {
	b, err := json.Marshal(last) // in the order of the names
	if err != nil {
		return 0
	}
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}
