// Package names holds the names of streams, subjects and buckets, and how text from
// outside becomes part of one.
package names

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Streams.
const (
	RawStream        = "CALLWATCH_RAW"
	EventStream      = "CALLWATCH_EVENTS"
	AlertStream      = "CALLWATCH_ALERTS"
	DeadStream       = "CALLWATCH_DEAD"
	CheckpointStream = "CALLWATCH_CHECKPOINTS"
	TaskStream       = "CALLWATCH_TASKS"
)

// Subjects, and what subjects begin with.
const (
	RawSubject       = "callwatch.raw"
	RewritePrefix    = "callwatch.raw.rewrite."
	EventPrefix      = "callwatch.event."
	TickSubject      = "callwatch.tick"
	ActionSubject    = "callwatch.mark"
	AlertPrefix      = "callwatch.alert."
	DeadPrefix       = "callwatch.dead."
	CheckpointPrefix = "callwatch.checkpoint."
	TaskPrefix       = "callwatch.task."
)

// What the names of buckets begin with.
const (
	BucketStreamPrefix = "KV_" // of the stream of a bucket
	BucketPrefix       = "callwatch_"
)

// MaxKey bounds a key or the subject of a key as it is encoded, in bytes.
const MaxKey = 1024

// Short is the name of a stream or bucket for people.
func Short(stream string) string {
	if name, ok := strings.CutPrefix(stream, BucketStreamPrefix); ok {
		return "bucket " + strings.TrimPrefix(name, BucketPrefix)
	}
	return strings.ToLower(strings.TrimPrefix(stream, "CALLWATCH_"))
}

// AlertSubject is that of the transitions of an incident: it names the rule, and the key, whatever its length and bytes, by a hash.
func AlertSubject(rule, key string) string {
	sum := sha256.Sum256([]byte(key))
	return AlertPrefix + Token(rule) + "." + hex.EncodeToString(sum[:16])
}
