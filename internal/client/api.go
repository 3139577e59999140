package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pushgateway/internal/grouping"
)

// envelope wraps every answer of the API.
type envelope struct {
	Error string          `json:"error"`
	Data  json.RawMessage `json:"data"`
}

// messageOf returns the message of an error answer, and whether the answer came
// from the API.
func messageOf(body []byte) (message string, isAPI bool) {
	var e envelope
	if json.Unmarshal(body, &e) == nil && e.Error != "" {
		return e.Error, true
	}
	return strings.TrimSpace(string(body)), false
}

// Group is a group without its metrics.
type Group struct {
	Labels  map[string]string `json:"labels"`
	Success bool              `json:"last_push_successful"`
	Pushed  *time.Time        `json:"push_time"`
	Failed  *time.Time        `json:"push_failure_time"`
	Failure string            `json:"push_failure_message"`
	Expires *time.Time        `json:"expiry_time"`
	// Refused reports whether the last push was refused, for whatever reason.
	Refused bool     `json:"last_push_refused"`
	Refusal *Refusal `json:"last_refusal"`
	// Trouble is the state of the job if it is failing, late or running too long.
	Trouble string `json:"job_state"`

	Families int       `json:"families"`
	Series   int       `json:"series"`
	LeftOut  []LeftOut `json:"left_out"`
}

// Refusal is a refused push that the gateway remembers.
type Refusal struct {
	Time  time.Time `json:"time"`
	Error string    `json:"error"`
}

// LastRefusal returns when the last refused push was, and why it was refused. The
// time is nil if there was none.
func (g *Group) LastRefusal() (at *time.Time, why string) {
	if r := g.Refusal; r != nil && (g.Failed == nil || r.Time.After(*g.Failed)) {
		return &r.Time, r.Error
	}
	return g.Failed, g.Failure
}

// LeftOut is a family of a group that scrapes do not get, and the grouping
// labels of the group that is the reason, if there is one.
type LeftOut struct {
	Family string            `json:"family"`
	By     map[string]string `json:"by"`
}

// Filter selects groups. A group must match all fields that are set.
type Filter struct {
	Selectors []string // a group must match any of them
	Status    string   // "success", "failure", "expiring", or "" for all
	OlderThan string   // a duration since the last successful push
	Search    string
}

func (f Filter) values() url.Values {
	v := make(url.Values)
	for _, s := range f.Selectors {
		v.Add("match[]", s)
	}
	for name, value := range map[string]string{"status": f.Status, "older_than": f.OlderThan, "search": f.Search} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// pageSize is how many groups one request asks for.
const pageSize = "1000"

// Groups yields the groups that the filter selects, in an order like
// "-push_time". Each group is the JSON that the gateway sent.
func (c *Client) Groups(ctx context.Context, f Filter, order string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		query := f.values()
		query.Set("sort", order)
		query.Set("limit", pageSize)
		for {
			var page struct {
				Groups []json.RawMessage
				Next   string `json:"next_page_token"`
			}
			if err := c.ask(ctx, request{method: http.MethodGet, path: "/api/v1/groups", query: query}, &page); err != nil {
				yield(nil, err)
				return
			}
			for _, g := range page.Groups {
				if !yield(g, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("page_token", page.Next)
		}
	}
}

// DeleteGroups deletes the groups that the filter selects, or only lists them,
// and returns their grouping labels.
func (c *Client) DeleteGroups(ctx context.Context, f Filter, dryRun bool) ([]map[string]string, error) {
	query := f.values()
	if dryRun {
		query.Set("dry_run", "true")
	}
	var deleted struct{ Groups []map[string]string }
	err := c.ask(ctx, request{method: http.MethodPost, path: "/api/v1/admin/delete_groups", query: query}, &deleted)
	return deleted.Groups, err
}

// ask reads an answer of the API.
func (c *Client) ask(ctx context.Context, r request, data any) error {
	res, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var e envelope
	err = json.NewDecoder(res.Body).Decode(&e)
	if err == nil {
		err = json.Unmarshal(e.Data, data)
	}
	if err != nil {
		return fmt.Errorf("reading the answer to %s %s: %w%s", r.method, r.path, err, inBrackets(c.afterMiss(errors.As(err, new(*json.SyntaxError)))))
	}
	return nil
}

// utf8Flag makes a gateway accept label names beyond [a-zA-Z_][a-zA-Z0-9_]*.
const utf8Flag = "push.enable-utf8-names"

// checkNames asks the gateway whether it reads the path of a key as that key,
// if it would otherwise silently read another one.
func (c *Client) checkNames(ctx context.Context, key grouping.Key, once bool) error {
	if !key.Ambiguous() {
		return nil
	}
	var status struct{ Flags map[string]string }
	if err := c.ask(ctx, request{method: http.MethodGet, path: "/api/v1/status", once: once}, &status); err != nil {
		return fmt.Errorf("the label names need a gateway with --%s, but asking for its flags failed: %w", utf8Flag, err)
	}
	if status.Flags[utf8Flag] != "true" {
		return fmt.Errorf("the label names must match [a-zA-Z_][a-zA-Z0-9_]*, since the gateway at %s runs without --%s; rename them, or start it with that flag", c, utf8Flag)
	}
	return nil
}
