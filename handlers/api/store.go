package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"callwatch/handlers/access"
	"callwatch/handlers/backend"
)

type storeOutput struct{ Body backend.StoreSize }

// Prune says how to remove what retention no longer keeps.
type Prune struct {
	DryRun bool   `json:"dryRun,omitempty" doc:"only say what would be removed"`
	By     string `json:"by,omitempty" doc:"who asks for it, for the log; the user of a token that has a name, whatever is given here"`
}

type pruneInput struct {
	Caller
	RawBody []byte `contentType:"application/json"`
}

type pruneOutput struct{ Body backend.Pruned }

func (s *service) routeStore() {
	add(s, access.Viewer, huma.Operation{
		OperationID: "showStore", Method: http.MethodGet, Path: "/store", Summary: "Show what each stream takes, the limit, the growth and the days left",
	}, func(ctx context.Context, _ *noInput) (*storeOutput, error) {
		size, err := s.History.Store(ctx)
		return &storeOutput{size}, err
	})
	add(s, access.Admin, huma.Operation{
		OperationID: "pruneStore", Method: http.MethodPost, Path: "/store/prune", Summary: "Remove now what retention no longer keeps",
		RequestBody: body[Prune](s), MaxBodyBytes: maxRequest,
	}, s.prune)
	add(s, access.Admin, huma.Operation{
		OperationID: "backupStore", Method: http.MethodGet, Path: "/store/backup", Summary: "Read a backup of the whole store, for callwatch store restore",
		Description: "A zip file of all streams, made while webhooks are taken. It is complete if it has a manifest.json.",
		Responses:   answers("200", "The backup", zipType),
	}, func(context.Context, *noInput) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: s.backup}, nil
	})
}

const zipType = "application/zip"

// backup answers with a backup. An error that comes late cuts the connection: the
// file then lacks its manifest.
func (s *service) backup(hc huma.Context) {
	e := humaecho.Unwrap(hc)
	to := &slowWriter{w: e.Response(), conn: http.NewResponseController(e.Response())}
	h := e.Response().Header()
	h.Set("Content-Type", zipType)
	h.Set("Content-Disposition", `attachment; filename="callwatch-backup.zip"`)
	err := s.History.Backup(hc.Context(), to)
	switch {
	case err == nil:
	case !e.Response().Committed:
		h.Del("Content-Disposition")
		p := s.problemOf(hc.Context(), "backupStore", err)
		_ = e.JSON(p.Status, p)
	case hc.Context().Err() == nil:
		s.Log.Error("backup failed", "err", err)
		panic(http.ErrAbortHandler)
	}
}

// slowWriter gives each write its own time.
type slowWriter struct {
	w    http.ResponseWriter
	conn *http.ResponseController
}

func (w *slowWriter) Write(p []byte) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(sendTime)); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}

func (s *service) prune(ctx context.Context, in *pruneInput) (*pruneOutput, error) {
	var p Prune
	if err := decode(in.RawBody, &p); err != nil {
		return nil, err
	}
	if p.By = in.by(p.By); p.By == "" {
		return nil, unprocessable("by: who asks for it must be named")
	}
	done, err := s.History.PruneStore(ctx, p.DryRun)
	if err == nil && !p.DryRun {
		s.audit(&in.Caller, "store pruned", p.By, strconv.Itoa(len(done.Streams)))
	}
	return &pruneOutput{done}, err
}
