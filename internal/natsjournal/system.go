package natsjournal

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// What no client of a stream sees is shown to users of the system account: how
// servers sync, their versions, and how many subjects each replica has. If this
// member has credentials for it, it looks at the start, and as often as it compares
// its groups.

const (
	// serversWithin is how long the first server may take to answer, and
	// serversApart how long each of the others after that.
	serversWithin = 2 * time.Second
	serversApart  = 500 * time.Millisecond
)

// serverReport is what a server says of itself.
type serverReport struct {
	Server struct {
		Name    string `json:"name"`
		Version string `json:"ver"`
	} `json:"server"`
	Data struct {
		Disabled bool `json:"disabled"`
		Config   struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
		Accounts []struct {
			Streams []replicaReport `json:"stream_detail"`
		} `json:"account_details"`
	} `json:"data"`
}

// replicaReport is what a server says of its replica of a stream.
type replicaReport struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	State   struct {
		LastSeq  uint64 `json:"last_seq"`
		Subjects int    `json:"num_subjects"`
	} `json:"state"`
}

// watchServers is the goroutine that looks at the servers.
func (j *Journal) watchServers() {
	told := map[string]bool{"": true} // so that the first look is told if nothing is wrong
	ticker := time.NewTicker(j.config.Audit)
	defer ticker.Stop()
	for {
		reports, err := j.askServers()
		if err != nil {
			j.config.Logger.Warn("Could not check the NATS servers with --cluster.system-credentials-file", "err", err)
		} else {
			told = j.tellOfServers(reports, told)
		}
		select {
		case <-ticker.C:
		case <-j.stop:
			return
		}
	}
}

// tellOfServers logs what is wrong with the servers and was not told before. It
// returns what is wrong.
func (j *Journal) tellOfServers(reports []serverReport, told map[string]bool) map[string]bool {
	wrong := make(map[string]bool)
	for _, problem := range append(settingsOf(reports, j.config.AllowOld), j.lackingReplicas(reports)...) {
		if wrong[problem] = true; !told[problem] {
			j.config.Logger.Error("A NATS server needs attention; see docs/cluster.md", "problem", problem)
		}
	}
	if len(wrong) == 0 && len(told) > 0 {
		j.config.Logger.Info("Checked all NATS servers: versions, sync_interval, and the replicas of the stream", "servers", len(reports))
	}
	return wrong
}

// settingsOf lists what is wrong with the settings and versions of servers.
func settingsOf(reports []serverReport, allowOld bool) (problems []string) {
	for _, r := range reports {
		if !allowOld && older(r.Server.Version, Oldest) {
			problems = append(problems, fmt.Sprintf("%s has version %s; upgrade it to %s", r.Server.Name, r.Server.Version, Oldest))
		}
		if !r.Data.Disabled && !r.Data.Config.SyncAlways {
			problems = append(problems, fmt.Sprintf("%s does not sync each message, so that a power cut may lose acknowledged pushes; set sync_interval: always in its section jetstream", r.Server.Name))
		}
	}
	return problems
}

// lackingReplicas lists replicas that have fewer subjects than another one with the
// same last message.
func (j *Journal) lackingReplicas(reports []serverReport) (problems []string) {
	replicas := j.replicasIn(reports)
	most := make(map[uint64]int) // subjects, by last sequence
	for _, r := range replicas {
		most[r.State.LastSeq] = max(most[r.State.LastSeq], r.State.Subjects)
	}
	lacking := 0
	for _, name := range slices.Sorted(maps.Keys(replicas)) {
		if n := most[replicas[name].State.LastSeq] - replicas[name].State.Subjects; n > 0 {
			problems = append(problems, fmt.Sprintf("the replica of the stream %s on %s has lost %d messages; stop %s, move its store_dir away, and start it", j.config.Stream, name, n, name))
			lacking += n
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.audits.found += lacking
	return problems
}

// replicasIn returns the replicas of the stream, by name of their server.
func (j *Journal) replicasIn(reports []serverReport) map[string]replicaReport {
	j.mu.Lock()
	created := j.created
	j.mu.Unlock()
	found := make(map[string]replicaReport)
	for _, r := range reports {
		for _, account := range r.Data.Accounts {
			for _, s := range account.Streams {
				if s.Name == j.config.Stream && s.Created.Equal(created) {
					found[r.Server.Name] = s
				}
			}
		}
	}
	return found
}

// askServers returns what all servers that answer say of themselves.
func (j *Journal) askServers() (reports []serverReport, err error) {
	options := append(j.encryption(), nats.Name("pushgateway checks servers"), nats.UserCredentials(j.config.SystemCredentials), nats.NoReconnect(), nats.Timeout(serversWithin))
	conn, err := nats.Connect(strings.Join(j.config.URLs, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", redacted(j.config.URLs), err)
	}
	defer conn.Close()
	inbox := conn.NewInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err == nil {
		err = conn.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", inbox, []byte(`{"accounts":true,"streams":true,"config":false}`))
	}
	if err != nil {
		return nil, err
	}
	for wait := serversWithin; ; wait = serversApart {
		m, err := sub.NextMsg(wait)
		if err != nil && len(reports) > 0 {
			return reports, nil // those were all
		}
		if err != nil {
			return nil, fmt.Errorf("no server answers; are these credentials of the system account? %w", err)
		}
		var r serverReport
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return nil, fmt.Errorf("%w: %w", errAnswer, err)
		}
		reports = append(reports, r)
	}
}
