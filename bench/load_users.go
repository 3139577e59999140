package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// userJob is a job as users have them. With the job and the instance its series
// have three to five labels.
type userJob struct {
	name   string
	labels func(i int) string // of the ith series of a family, without braces
}

// ownPlace stands in labels for what belongs to one host, see load.own.
const ownPlace = "@"

var userJobs = []userJob{
	{"nightly_backup", func(i int) string { return fmt.Sprintf(`volume="%s/vol-%02d"`, ownPlace, i) }},
	{"orders_import", func(i int) string {
		return fmt.Sprintf(`stage=%q,dataset="%s/part-%02d"`, stages[i%len(stages)], ownPlace, i/len(stages))
	}},
	{"report_mailer", func(i int) string {
		return fmt.Sprintf(`template=%q,queue="%s/q-%d",outcome=%q`, stages[i%len(stages)], ownPlace, i/2/len(stages), outcomes[i/len(stages)%2])
	}},
}

var outcomes = []string{"success", "failure"}

// newUserLoad has groups of several jobs on many hosts. With own, all hosts have
// long label values of their own, so no two groups have the same labels in
// their bodies.
func newUserLoad(series int, own bool) *load {
	l := &load{groups: series / seriesPerGroup, each: seriesPerGroup, jobs: userJobs}
	place := "eu-1"
	if l.own = own; own {
		place = ownPlace
	}
	for _, job := range l.jobs {
		for i := range variants {
			body := renderLabelled(rand.New(rand.NewPCG(1, uint64(i))), job.labels(0), job.labels)
			l.bodies = append(l.bodies, strings.ReplaceAll(body, ownPlace, place))
		}
	}
	return l
}

// jobOf is the index of the job of the nth push.
func (l *load) jobOf(n int) int { return n % l.groups % len(l.jobs) }

// userBody is the body of the nth push.
func (l *load) userBody(n int) string {
	body := l.bodies[l.jobOf(n)*variants+n%variants]
	if l.own {
		body = strings.ReplaceAll(body, ownPlace, fmt.Sprintf("s3://warehouse-eu-central-1/ingest/host-%04d", n%l.groups))
	}
	return body
}

func (l *load) appendUserPath(to []byte, n int) []byte {
	to = append(append(to, "/metrics/job/"...), l.jobs[l.jobOf(n)].name...)
	to = strconv.AppendInt(append(to, "/instance/host-"...), int64(n%l.groups), 10)
	return append(to, ".example.org"...)
}
