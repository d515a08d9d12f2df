package natstest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Leader is the server that leads a stream, or an error while none does.
func (c *Cluster) Leader(stream string) (int, error) {
	for _, n := range c.nodes {
		var answer struct {
			Accounts []struct {
				Streams []struct {
					Name    string
					Cluster struct{ Leader string }
				} `json:"stream_detail"`
			} `json:"account_details"`
		}
		res, err := http.Get("http://" + n.monitor + "/jsz?accounts=true&streams=true")
		if err != nil {
			continue
		}
		err = json.NewDecoder(res.Body).Decode(&answer)
		_ = res.Body.Close()
		if err != nil {
			continue
		}
		for _, a := range answer.Accounts {
			for _, s := range a.Streams {
				for i, other := range c.nodes {
					if s.Name == stream && s.Cluster.Leader == other.name {
						return i, nil
					}
				}
			}
		}
	}
	return 0, fmt.Errorf("nobody leads %s", stream)
}
