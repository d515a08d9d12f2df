package jet

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrUnavailable means that the store did not confirm a write in time or
	// cannot be reached; the write may have happened. Try again later.
	ErrUnavailable = errors.New("store unavailable")
	// ErrFull means that the store is at its limit of bytes or the disk at its reserve.
	ErrFull = errors.New("store full")
	// ErrNotFound means that nothing is stored under that id.
	ErrNotFound = errors.New("not found")
	// ErrTooLarge means that a record or event does not fit in one message of the server.
	ErrTooLarge = errors.New("too large for the store")
	// ErrConflict means that another process published events since
	// LastPublished was called: call it again and go on from there.
	ErrConflict = errors.New("another process publishes events")
)

// Codes of JetStream's errors that the client library does not name.
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeAccountResources      = 10002
	codeStoreFailed           = 10077 // "maximum bytes exceeded" comes with it
	codeReplicasNotSupported  = 10074
	codeNoPeers               = 10005
)

// Classify turns an error of a write into one of the sentinels.
func Classify(err error) error {
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch {
		case LostRace(err):
			return fmt.Errorf("%w: %w", ErrConflict, err)
		case api.ErrorCode == codeInsufficientResources, api.ErrorCode == codeStorageExceeded,
			api.ErrorCode == codeAccountResources,
			api.ErrorCode == codeStoreFailed && api.Description == "maximum bytes exceeded":
			return fmt.Errorf("%w: %w", ErrFull, err)
		case api.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum:
			return fmt.Errorf("%w: %w", ErrTooLarge, err)
		}
	}
	if errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// LostRace says whether a compare-and-set met another value than expected. One
// replica answers with the first code, several with either.
func LostRace(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// NoPeers says whether the cluster has too few servers for the copies of a stream, or does
// not hear of them now.
func NoPeers(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeNoPeers
}

// ReadError returns the sentinel of a read's error.
func ReadError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrKeyNotFound):
		return ErrNotFound
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

// ReplicasError says what to do where a server cannot keep that many copies.
func ReplicasError(replicas int, err error) error {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return err
	}
	switch {
	case api.ErrorCode == codeReplicasNotSupported:
		return fmt.Errorf("%d replicas are asked for, and the NATS server is in no cluster", replicas)
	case NoPeers(err):
		return fmt.Errorf("%d replicas are asked for, and the NATS cluster has not as many servers with JetStream now: %w", replicas, err)
	default:
		return err
	}
}
