package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// JobsQuery selects jobs.
type JobsQuery struct {
	Selectors []string // a group must match any of them
	States    []string // a job must be in one of them; empty for all
	By        []string // labels that tell jobs apart, besides job
	Limit     int      // how many to return
	Runs      int      // how many runs of each
}

// Job is the state of a job. Times are in Unix seconds, and nil if unknown.
type Job struct {
	Labels       map[string]string `json:"labels"`
	State        string            `json:"state"`
	Since        *float64          `json:"since"`
	LastSuccess  *float64          `json:"last_success"`
	Duration     *float64          `json:"duration_seconds"`
	NextExpected *float64          `json:"next_expected"`
	Reason       string            `json:"reason"`
	Groups       int               `json:"groups"`
	InState      int               `json:"groups_in_state"` // of several groups
	Group        map[string]string `json:"group"`           // labels of the worst one
	Runs         []Run             `json:"runs"`            // the last ones, oldest first
}

// Run is a run that has ended.
type Run struct {
	Outcome  string   `json:"outcome"`
	Duration *float64 `json:"duration_seconds"`
}

// Failed reports whether the run failed.
func (r Run) Failed() bool { return r.Outcome == "failed" }

// JobsPage holds jobs, worst first, and how many there are in each state.
type JobsPage struct {
	Counts map[string]int `json:"counts"`
	Jobs   []Job          `json:"jobs"`
	// Raw is all that the gateway sent.
	Raw json.RawMessage `json:"-"`
}

// Jobs returns how jobs are.
func (c *Client) Jobs(ctx context.Context, q JobsQuery) (*JobsPage, error) {
	query := Filter{Selectors: q.Selectors}.values()
	query["state"], query["by"] = q.States, q.By
	query.Set("limit", strconv.Itoa(q.Limit))
	query.Set("runs", strconv.Itoa(q.Runs))
	page := new(JobsPage)
	if err := c.ask(ctx, request{method: http.MethodGet, path: "/api/v1/jobs", query: query}, &page.Raw); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(page.Raw, page); err != nil {
		return nil, fmt.Errorf("reading the jobs of %s: %w", c, err)
	}
	return page, nil
}
