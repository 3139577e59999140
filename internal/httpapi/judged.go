package httpapi

import (
	"net/http"
	"slices"
	"sync"

	"pushgateway/internal/compression"
	"pushgateway/internal/jobs"
)

// judged is a survey of jobs, with the rows that clients have asked for. Open
// pages ask for the same ones again and again. It is safe for concurrent use.
type judged struct {
	survey *jobs.Survey

	mu    sync.Mutex
	found map[string]*found // by query
}

// maxFound bounds how many queries are remembered for each survey.
const maxFound = 16

// maxKept is how many runs an answer can have whose text is kept. A run has at most
// some 100 bytes of it.
const maxKept = 10_000

// found is the answer to a query.
type found struct {
	place  chan struct{} // held while the fields below are made
	done   bool
	answer *compression.Content // nil if it can be long
	page   jobsPage             // then it is written from this
}

// write answers with what was found.
func (f *found) write(w http.ResponseWriter, r *http.Request) {
	if f.answer == nil {
		writeData(w, f.page)
		return
	}
	writeEncoded(w, r, f.answer)
}

// rows returns the answer to a query, whose text is text. It is made once for
// all who ask. It is nil if the search ends before.
func (j *judged) rows(s *search, text string, q *jobsQuery) *found {
	f := j.place(text)
	select {
	case f.place <- struct{}{}:
		defer func() { <-f.place }()
	case <-s.ctx.Done():
		return nil
	}
	if !f.done {
		f.find(s, j.survey, q)
	}
	if s.ctx.Err() != nil && !f.done {
		return nil
	}
	return f
}

// place returns where the answer to a query is remembered.
func (j *judged) place(text string) *found {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f := j.found[text]; f != nil {
		return f
	}
	f := &found{place: make(chan struct{}, 1)}
	if j.found == nil {
		j.found = make(map[string]*found)
	}
	if len(j.found) < maxFound {
		j.found[text] = f
	}
	return f
}

// find makes an answer, unless the search ends before.
func (f *found) find(s *search, all *jobs.Survey, q *jobsQuery) {
	table := q.table(s, all)
	if s.ctx.Err() != nil {
		return
	}
	counts := make(map[string]int)
	for state, n := range table.Counts() {
		counts[jobs.State(state).String()] = n
	}
	rows := leading(table.Rows(q.states), q.limit, table.Order)
	rows = slices.Clone(rows[:min(q.limit, len(rows))])
	page := jobsPage{counts, listOf(slices.Values(rows), func(r jobs.Row) any { return jobInfoOf(&r, q.by, q.runs) })}
	if len(rows)*(1+q.runs) <= maxKept {
		f.answer = encoded(page)
	} else {
		f.page = page
	}
	f.done = true
}
