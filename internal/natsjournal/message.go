package natsjournal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
	"pushgateway/internal/grouping"
	"pushgateway/internal/record"
)

// A stream has three kinds of subjects below its prefix:
//
//	g.<token>   the latest record of a group, or its end
//	s.<token>   the latest stamp of a group
//	m.<member>  the latest sign of life of a member
//
// The token is the SHA-256 of the grouping key in base64url. The key itself is
// in the body, in front of the record or the stamp, so a subject has the same
// size for every key.
const (
	groups  = 'g'
	stamps  = 's'
	members = 'm'
)

// The headers of a message.
const (
	headerOp       = "Pushgateway-Op" // what the message says about its group
	headerID       = "Pushgateway-Id" // of the write, unique
	headerEncoding = "Pushgateway-Encoding"

	headerExpected = "Nats-Expected-Last-Subject-Sequence"
	headerTTL      = "Nats-TTL"
	headerSequence = "Nats-Sequence"
	headerSubject  = "Nats-Subject"
	headerTime     = "Nats-Time-Stamp"
	headerMarker   = "Nats-Marker-Reason"
	headerStatus   = "Status"
)

// The operations.
const (
	opPut   = "put"
	opEnd   = "end"
	opStamp = "stamp"
	opAlive = "alive"
	opLeft  = "left"
)

// encoding is the format of bodies.
const encoding = "1"

// markerTTL is how long the stream remembers that a group has ended.
const markerTTL = time.Hour

// names are the subjects of a stream.
type names struct{ stored, fed string } // prefixes, with a dot at the end

func namesOf(stream string) names { return names{"pg." + stream + ".", "pgf." + stream + "."} }

func (n names) of(kind byte, token string) string { return n.stored + string(kind) + "." + token }

// tokenOf returns the part of a subject that stands for a group.
func tokenOf(key grouping.Key) string {
	sum := sha256.Sum256([]byte(key))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// message is a message of the stream.
type message struct {
	kind   byte
	token  string
	seq    uint64
	at     time.Time // when the server stored it, by the server's clock; may be zero unless it is of a member
	op, id string
	marker bool // the server ended the group
	// receipts are those of the group, encoded.
	receipts string
	body     []byte
	err      error // why it cannot be read; then only kind, token and seq are set
}

var errDamaged = errors.New("the message is damaged")

var errSubject = errors.New("it is not a message of this stream")

// read reads a message that was republished or fetched.
func (n names) read(m *nats.Msg) (message, error) {
	seq, err := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
	if err != nil {
		return message{}, fmt.Errorf("%w: sequence %q", errSubject, m.Header.Get(headerSequence))
	}
	got, err := n.readAs(m, m.Header.Get(headerSubject), seq, time.Time{})
	if got.kind == members {
		got.at, _ = time.Parse(time.RFC3339Nano, m.Header.Get(headerTime)) // only shown
	}
	return got, err
}

// readAs reads a message that the server stored under a subject, with a sequence
// and at a time.
func (n names) readAs(m *nats.Msg, subject string, seq uint64, at time.Time) (message, error) {
	rest, ours := strings.CutPrefix(subject, n.stored)
	if !ours || len(rest) < 3 || rest[1] != '.' {
		return message{}, fmt.Errorf("%w: subject %q", errSubject, subject)
	}
	got := message{
		kind: rest[0], token: rest[2:], seq: seq, at: at, body: m.Data,
		op: m.Header.Get(headerOp), id: m.Header.Get(headerID), marker: m.Header.Get(headerMarker) != "",
		receipts: m.Header.Get(headerReceipts),
	}
	if format := m.Header.Get(headerEncoding); !got.marker && format != encoding {
		got.err = fmt.Errorf("%w: the message has the encoding %q, but this version reads %q", record.ErrNewer, format, encoding)
	}
	return got, nil
}

// newMessage returns a message about a group.
func newMessage(subject, op, id string, key grouping.Key, content []byte) *nats.Msg {
	body := make([]byte, 0, binary.MaxVarintLen32+len(key)+len(content))
	body = binary.AppendUvarint(body, uint64(len(key)))
	body = append(append(body, key...), content...)
	return &nats.Msg{Subject: subject, Data: body, Header: nats.Header{
		headerOp: {op}, headerID: {id}, headerEncoding: {encoding},
	}}
}

// cutKey splits a body into the key of the group and the rest.
func cutKey(body []byte) (grouping.Key, []byte, error) {
	size, n := binary.Uvarint(body)
	if n <= 0 || size > uint64(len(body)-n) {
		return "", nil, fmt.Errorf("%w: its key is cut off", errDamaged)
	}
	return grouping.Key(body[n : n+int(size)]), body[n+int(size):], nil
}

// decode returns the group of a message, and its key. The group is nil if the
// message is its end. Records may have formats up to newest. stored returns what the
// gateway has of a group.
func (m message) decode(newest gateway.Format, stored func(grouping.Key) *gateway.Group) (key grouping.Key, group *gateway.Group, err error) {
	if m.err != nil {
		return "", nil, m.err
	}
	key, rest, err := cutKey(m.body)
	if err != nil || m.op == opEnd {
		return key, nil, err
	}
	if m.op != opPut {
		return key, nil, fmt.Errorf("%w: the operation %q is unknown", record.ErrNewer, m.op)
	}
	if len(rest) > 0 && record.FormatOf(rest) > newest {
		return key, nil, fmt.Errorf("%w: its format is newer than %d", record.ErrNewer, newest)
	}
	group, err = record.DecodeAs(rest, key, gateway.Revision(m.seq), stored(key))
	return key, group, err
}

// stampBody is the body of a stamp behind its key.
type stampBody struct {
	At       int64            `json:"at"` // Unix time in ns
	Reason   string           `json:"reason,omitempty"`
	FailedBy string           `json:"failed_by,omitempty"`
	Against  gateway.Revision `json:"against,omitempty"`
	Over     bool             `json:"over,omitempty"`
}

func encodeStamp(s gateway.Stamp) []byte {
	content, _ := json.Marshal(stampBody{s.At.UnixNano(), s.Reason, s.FailedBy, s.Against, s.Over}) // numbers and strings always encode
	return content
}

// decodeStamp returns the stamp of a message.
func (m message) decodeStamp() (s gateway.Stamp, err error) {
	if m.err != nil {
		return s, m.err
	}
	key, rest, err := cutKey(m.body)
	if err != nil {
		return s, err
	}
	var b stampBody
	if err := json.Unmarshal(rest, &b); err != nil {
		return s, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return gateway.Stamp{Key: key, At: time.Unix(0, b.At), Reason: b.Reason, FailedBy: b.FailedBy, Against: b.Against, Over: b.Over}, nil
}

// ttlOf returns the time to live of a group's message: what is left, rounded up
// to whole seconds. The server truncates, and takes no less than one second.
func ttlOf(expires, now time.Time) string {
	seconds := math.Ceil(expires.Sub(now).Seconds())
	return strconv.FormatInt(int64(max(seconds, 1)), 10) + "s"
}

// reply is the server's answer to a message.
type reply struct {
	Seq   uint64    `json:"seq"`
	Error *apiError `json:"error"`
}

// apiError is an error of the server's API.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	if advice := e.advice(); advice != "" {
		return fmt.Sprintf("%s (%d); %s", e.Description, e.ErrCode, advice)
	}
	return fmt.Sprintf("%s (%d)", e.Description, e.ErrCode)
}

// advice says what operators can do about an error, or is empty.
func (e *apiError) advice() string {
	switch e.ErrCode {
	case codeNoStorage:
		return "raise max_file_store of the servers, or the storage that the account may use, or lower --cluster.max-bytes"
	case codeNotClustered:
		return "set --cluster.replicas=1 for a single server, or make the servers a cluster"
	case codeNoPeers:
		return "enable JetStream on as many servers as --cluster.replicas says, and start them"
	case codeAccountFull:
		return "raise the storage that the account may use, or remove what other streams of the account have"
	case codeTooManyStreams:
		return "raise the number of streams that the account may have"
	case codeMaxBytesTooHigh:
		return "lower --cluster.max-bytes, or raise the size that a stream of the account may have"
	case codeOverlap:
		return "another stream stores messages of the same subjects; remove it, or name another stream with --cluster.stream"
	case codeDisabled, codeDisabledForAccount:
		return "enable JetStream in the servers' configuration, and for the account of the gateway's user"
	}
	return ""
}

// The server's errors that mean something to the journal.
const (
	codeWrongLast    = 10071 // followed by the last sequence of the subject
	codeInProgress   = 10164 // another write of the subject is in progress
	codeStoreFailed  = 10077 // among others because the stream is full
	codeNoStream     = 10059
	codeStreamExists = 10058
	codeResources    = 10023
	codeTooMany      = 10167 // more writes at once than the server buffers
	codeNoPeers      = 10005
	codeNoStorage    = 10047
	codeNotClustered = 10074

	codeAccountFull        = 10002
	codeTooManyStreams     = 10027
	codeDisabled           = 10076
	codeDisabledForAccount = 10039
	codeMaxBytesTooHigh    = 10122
	codeOverlap            = 10065
)

// wrongLast returns the sequence that an error names.
func (e *apiError) wrongLast() (seq uint64, ok bool) {
	if e.ErrCode != codeWrongLast {
		return 0, false
	}
	_, number, _ := strings.Cut(e.Description, ": ")
	seq, err := strconv.ParseUint(number, 10, 64)
	return seq, err == nil
}

// isFull reports whether the server refused a message for its size.
func (e *apiError) isFull() bool {
	return e.ErrCode == codeStoreFailed && strings.Contains(e.Description, "maximum") || e.ErrCode == codeResources
}

// isTemporary reports whether the server has not taken a message, but may take
// it later.
func (e *apiError) isTemporary() bool {
	return e.Code == 503 && e.ErrCode != codeStoreFailed && !e.isFull()
}

var (
	errNobody = errors.New("no NATS server of the stream answers")
	errAnswer = errors.New("NATS answered with something unknown")
)

// readReply reads an answer. errNobody means that no server has received the
// message.
func readReply(m *nats.Msg) (reply, error) {
	if m.Header.Get(headerStatus) == "503" {
		return reply{}, errNobody
	}
	if seq, ok := readAck(m.Data); ok {
		return reply{Seq: seq}, nil
	}
	var r reply
	if err := json.Unmarshal(bytes.TrimSpace(m.Data), &r); err != nil {
		return r, fmt.Errorf("%w: %w", errAnswer, err)
	}
	return r, nil
}

// readAck returns the sequence of a plain acknowledgement, which is most answers:
// {"stream":"PUSHGATEWAY","seq":1}. Other answers are for readReply.
func readAck(data []byte) (seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok {
		return 0, false
	}
	name, number, ok := bytes.Cut(rest, []byte(`","seq":`))
	if !ok || bytes.ContainsAny(name, `"\`) {
		return 0, false
	}
	if number, ok = bytes.CutSuffix(number, []byte("}")); !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(string(number), 10, 64)
	return seq, err == nil
}
