package natsjournal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Oldest is the oldest version of the servers that is known to work.
const Oldest = "2.15.2"

// checkVersion returns an error if the server of a connection is too old.
func (j *Journal) checkVersion(c *nats.Conn) error {
	version := c.ConnectedServerVersion()
	if j.config.AllowOld || !older(version, Oldest) {
		return nil
	}
	return &permanentError{fmt.Errorf("the NATS server %s has version %s, which loses memory with each group that expires, or data; upgrade it to %s, or accept that with --cluster.allow-old-servers", c.ConnectedUrlRedacted(), version, Oldest)}
}

// older reports whether a version comes before another one.
func older(version, than string) bool {
	numbers := func(v string) (n [3]int) {
		v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "-")
		for i, part := range strings.SplitN(v, ".", 3) {
			n[i], _ = strconv.Atoi(part) // an unknown version is old
		}
		return n
	}
	a, b := numbers(version), numbers(than)
	return slices.Compare(a[:], b[:]) < 0
}

// streamConfig is the part of a stream's configuration that matters.
type streamConfig struct {
	Name        string         `json:"name"`
	Description string         `json:"description,omitempty"`
	Subjects    []string       `json:"subjects"`
	Retention   string         `json:"retention"`
	Storage     string         `json:"storage"`
	Replicas    int            `json:"num_replicas"`
	MaxPerKey   int64          `json:"max_msgs_per_subject"`
	MaxConsumer int            `json:"max_consumers"`
	MaxMsgs     int64          `json:"max_msgs"`
	MaxBytes    int64          `json:"max_bytes"`
	MaxAge      time.Duration  `json:"max_age"`
	MaxSize     int32          `json:"max_msg_size,omitempty"`
	Discard     string         `json:"discard"`
	DiscardPer  bool           `json:"discard_new_per_subject,omitempty"`
	Direct      bool           `json:"allow_direct"`
	TTL         bool           `json:"allow_msg_ttl"`
	MarkerTTL   time.Duration  `json:"subject_delete_marker_ttl,omitempty"`
	Republish   *republication `json:"republish,omitempty"`
	DenyDelete  bool           `json:"deny_delete"`
	Sealed      bool           `json:"sealed"`
	Persist     string         `json:"persist_mode,omitempty"`
	First       uint64         `json:"first_seq,omitempty"`
	NoAck       bool           `json:"no_ack,omitempty"`
	Counter     bool           `json:"allow_msg_counter,omitempty"`
	Mirror      *origin        `json:"mirror,omitempty"`
	Sources     []*origin      `json:"sources,omitempty"`
	Transform   *republication `json:"subject_transform,omitempty"`
}

// origin is a stream whose messages another one copies.
type origin struct {
	Name string `json:"name"`
}

func (o *origin) String() string {
	if o == nil {
		return "absent"
	}
	return o.Name
}

type republication struct {
	From        string `json:"src"`
	To          string `json:"dest"`
	HeadersOnly bool   `json:"headers_only,omitempty"`
}

// wanted returns the configuration of a new stream.
func (j *Journal) wanted() streamConfig {
	all := j.names.stored + ">"
	most := j.config.MaxBytes
	if most == 0 {
		most = -1
	}
	return streamConfig{
		Name: j.config.Stream, Description: "Groups of a Pushgateway", Subjects: []string{all},
		Retention: "limits", Storage: "file", Replicas: j.config.Replicas,
		MaxPerKey: 1, MaxConsumer: -1, MaxMsgs: -1, MaxBytes: most, Discard: "new",
		Direct: true, TTL: true, MarkerTTL: j.config.Ends, First: j.config.First,
		Republish: &republication{From: all, To: j.names.fed + ">"},
	}
}

// differences lists what is wrong with the configuration of a stream. It
// ignores max_bytes, which operators change.
func (want streamConfig) differences(is streamConfig) (found []string) {
	note := func(name string, same bool, is, want any) {
		if !same {
			found = append(found, fmt.Sprintf("%s is %v, but must be %v", name, is, want))
		}
	}
	republish := is.Republish != nil && *is.Republish == *want.Republish
	note("subjects", slices.Equal(is.Subjects, want.Subjects), is.Subjects, want.Subjects)
	note("retention", is.Retention == want.Retention, is.Retention, want.Retention)
	note("storage", is.Storage == want.Storage, is.Storage, want.Storage)
	note("num_replicas", is.Replicas == want.Replicas, is.Replicas, want.Replicas)
	note("max_msgs_per_subject", is.MaxPerKey == want.MaxPerKey, is.MaxPerKey, want.MaxPerKey)
	note("max_msgs", is.MaxMsgs <= 0, is.MaxMsgs, "unlimited")
	note("max_age", is.MaxAge == 0, is.MaxAge, "unlimited")
	note("max_msg_size", is.MaxSize <= 0, is.MaxSize, "unlimited")
	note("discard", is.Discard == want.Discard, is.Discard, want.Discard)
	note("discard_new_per_subject", !is.DiscardPer, is.DiscardPer, false)
	note("allow_direct", is.Direct, is.Direct, true)
	note("allow_msg_ttl", is.TTL, is.TTL, true)
	note("subject_delete_marker_ttl", is.MarkerTTL >= want.MarkerTTL, is.MarkerTTL, want.MarkerTTL)
	note("republish", republish, is.Republish, want.Republish)
	note("deny_delete", !is.DenyDelete, is.DenyDelete, false)
	note("sealed", !is.Sealed, is.Sealed, false)
	note("persist_mode", is.Persist != "async", is.Persist, "default")
	note("no_ack", !is.NoAck, is.NoAck, false)
	note("allow_msg_counter", !is.Counter, is.Counter, false)
	note("mirror", is.Mirror == nil, is.Mirror, "absent")
	note("sources", len(is.Sources) == 0, is.Sources, "absent")
	note("subject_transform", is.Transform == nil, is.Transform, "absent")
	return found
}

func (r *republication) String() string {
	if r == nil {
		return "absent"
	}
	if r.HeadersOnly {
		return fmt.Sprintf("%s to %s without bodies", r.From, r.To)
	}
	return fmt.Sprintf("%s to %s", r.From, r.To)
}

// streamInfo is what the leader says of a stream.
type streamInfo struct {
	Error   *apiError    `json:"error"`
	Created time.Time    `json:"created"`
	Config  streamConfig `json:"config"`
	State   struct {
		Messages uint64            `json:"messages"`
		Bytes    uint64            `json:"bytes"`
		LastSeq  uint64            `json:"last_seq"`
		Subjects map[string]uint64 `json:"subjects"`
	} `json:"state"`
	Total   int `json:"total"` // subjects in all pages
	Message struct {
		Header []byte `json:"hdrs"`
	} `json:"message"` // that was asked for
	Cluster struct {
		Leader string `json:"leader"` // the name of a server
	} `json:"cluster"`

	before uint64 // the position when it was asked for
}

// ensureStream makes the stream, or checks it.
func (j *Journal) ensureStream(ctx context.Context) error {
	info, err := j.ask(ctx, "STREAM.INFO.", nil)
	if wrong := (*apiError)(nil); errors.As(err, &wrong) && wrong.ErrCode == codeNoStream {
		if j.config.MustExist {
			return &permanentError{fmt.Errorf("it does not exist; check --cluster.url and --cluster.stream: %w", err)}
		}
		info, err = j.ask(ctx, "STREAM.CREATE.", j.wanted())
		if errors.As(err, &wrong) && wrong.ErrCode == codeStreamExists {
			return err // another member has just made it
		}
		if err == nil {
			j.config.Logger.Info("Made the stream", "stream", j.config.Stream, "replicas", info.Config.Replicas)
		}
	}
	if err != nil {
		return explainRefusal(err)
	}
	if found := j.differences(info); len(found) > 0 {
		return &permanentError{fmt.Errorf("it exists with another configuration: %s. Change it with `nats stream edit`, name another stream with --cluster.stream, or adapt the flags", strings.Join(found, "; "))}
	}
	j.noteUsage(info)
	j.tellOfChecks(info)
	return nil
}

// differences lists what is wrong with the configuration of the stream.
func (j *Journal) differences(info streamInfo) []string {
	want := j.wanted()
	if j.config.MustExist {
		want.Replicas = info.Config.Replicas
	}
	return want.differences(info.Config)
}

// watchSettings tells when somebody changes the configuration of the stream.
func (j *Journal) watchSettings(info streamInfo) {
	differences := j.differences(info)
	j.changed.Store(int64(len(differences)))
	found := strings.Join(differences, "; ")
	if found == j.differs {
		return
	}
	if j.differs = found; found == "" {
		j.config.Logger.Info("The stream has the right configuration again", "stream", j.config.Stream)
		return
	}
	j.config.Logger.Error("Somebody has changed the configuration of the stream. Groups may be lost, and no gateway starts with it. Change it back with `nats stream edit`", "stream", j.config.Stream, "differences", found)
}

// tellOfChecks logs what was checked, and what only the servers themselves know.
func (j *Journal) tellOfChecks(info streamInfo) {
	j.config.Logger.Info("Checked the stream and the NATS server", "stream", j.config.Stream, "replicas", info.Config.Replicas,
		"server", j.nats().ConnectedUrlRedacted(), "version", j.nats().ConnectedServerVersion(), "max_payload", j.nats().MaxPayload())
	if j.config.SystemCredentials != "" {
		return // watchServers tells
	}
	j.config.Logger.Info("Not checked, since clients cannot see it", "settings", "sync_interval of the servers, versions of the other servers, damage of replicas",
		"advice", "set sync_interval: always, and look at `nats stream report`, or set --cluster.system-credentials-file")
}

// explainRefusal says what to do about an error of the servers. It is permanent
// unless waiting may help.
func explainRefusal(err error) error {
	wrong := (*apiError)(nil)
	if !errors.As(err, &wrong) || wrong.isTemporary() || wrong.ErrCode == codeNoPeers {
		return err // the servers may be starting
	}
	if wrong.advice() == "" {
		err = fmt.Errorf("%w; see the log of the servers", err)
	}
	return &permanentError{fmt.Errorf("NATS refuses it: %w", err)}
}

// api returns the subject of a request to the servers.
func (j *Journal) api(name string) string { return "$JS.API." + name }

// request returns a request whose answer nobody needs.
func (j *Journal) request(name string, body []byte) *nats.Msg {
	return &nats.Msg{Subject: j.api(name), Data: body, Reply: j.answers + "none"}
}

// askWithin is how long the servers may take to answer a request.
const askWithin = 2 * time.Second

// ask asks the leader about the stream.
func (j *Journal) ask(ctx context.Context, name string, body any) (info streamInfo, err error) {
	var content []byte
	if body != nil {
		if content, err = json.Marshal(body); err != nil {
			return info, err
		}
	}
	ctx, end := context.WithTimeout(ctx, askWithin)
	defer end()
	info.before = j.reached()
	m, err := j.nats().RequestWithContext(ctx, j.api(name+j.config.Stream), content)
	if errors.Is(err, nats.ErrNoResponders) {
		return info, errors.New("JetStream does not answer; it needs `jetstream` in the servers' configuration, a leader, and the right to use it")
	}
	if denied := j.denied.Load(); err != nil && denied != nil {
		return info, fmt.Errorf("asking NATS: %w: %w; allow the user what docs/cluster.md lists", err, *denied)
	}
	if err != nil {
		return info, fmt.Errorf("asking NATS: %w", err)
	}
	if err := json.Unmarshal(m.Data, &info); err != nil {
		return info, fmt.Errorf("%w: %w", errAnswer, err)
	}
	if info.Error != nil {
		return info, info.Error
	}
	return info, nil
}
