package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callwatch/call"
	"callwatch/handlers/access"
	"callwatch/handlers/backend"
	"callwatch/rules"
)

// EventChoice are the parameters that choose events.
type EventChoice struct {
	Provider string    `query:"provider" maxLength:"64" doc:"only this provider's"`
	Account  string    `query:"account" maxLength:"64" doc:"only this account's"`
	Kind     call.Kind `query:"kind" enum:"progress,stats,ended,report" doc:"only this kind"`
	Filter   string    `query:"filter" maxLength:"4096" doc:"expression of the rule language, judged on each event by itself; only what certainly holds passes"`
	Since    time.Time `query:"since" doc:"stored at or after"`
}

func (c *EventChoice) query() (backend.EventQuery, error) {
	if c.Filter != "" {
		if _, problems := rules.ParseFilter(c.Filter); problems.Errors() {
			return backend.EventQuery{}, refused("filter", problems)
		}
	}
	return backend.EventQuery{Provider: c.Provider, Account: c.Account, Kind: c.Kind, Filter: c.Filter, Since: c.Since}, nil
}

type eventsInput struct {
	EventChoice
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"events on the page"`
	Cursor string `query:"after" maxLength:"20" doc:"next of the page before"`
}

// EventList is a page of events, newest first.
type EventList struct {
	Events  []backend.StoredEvent `json:"events" nullable:"false"`
	Next    string                `json:"next,omitempty" doc:"cursor of the next page; a page may hold few events, or none, and have a next one all the same"`
	Scanned int                   `json:"scanned" doc:"how many stored events were looked at"`
}

type eventsOutput struct{ Body EventList }

func (s *service) routeEvents() {
	add(s, access.Viewer, huma.Operation{
		OperationID: "listEvents", Method: http.MethodGet, Path: "/events", Summary: "List stored events, newest first",
	}, s.listEvents)
	s.routeEventStream()
}

func (s *service) listEvents(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	if q.Limit = in.Limit; in.Cursor != "" {
		if q.Before, err = strconv.ParseUint(in.Cursor, 10, 64); err != nil || q.Before == 0 {
			return nil, badRequest("after is what an earlier answer had as next.")
		}
	}
	page, err := s.History.Events(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &eventsOutput{EventList{Events: page.Events, Scanned: page.Scanned}}
	if page.Next > 0 {
		out.Body.Next = strconv.FormatUint(page.Next, 10)
	}
	return out, nil
}
