package natsjournal

import (
	"encoding/json"
	"testing"
)

// answers are what servers answer to a message, and what they never should.
var answers = []struct {
	text  string
	plain bool
}{
	{`{"stream":"S","seq":1}`, true},
	{`{"stream":"PUSHGATEWAY","seq":18446744073709551615}`, true},
	{`{"stream":"S","seq":0}`, true},
	{`{"stream":"","seq":7}`, true},
	{`{"stream":"S", "seq":1}`, false},
	{`{"stream":"S","seq": 1}`, false},
	{`{"stream":"S","seq":1} `, false},
	{"{\"stream\":\"S\",\"seq\":1}\r\n", false},
	{`{"seq":1,"stream":"S"}`, false},
	{`{"type":"pub_ack","stream":"S","seq":1}`, false},
	{`{"stream":"S","domain":"hub","seq":3}`, false},
	{`{"stream":"S","seq":3,"domain":"hub"}`, false},
	{`{"stream":"S","seq":3,"duplicate":true}`, false},
	{`{"stream":"S","seq":3,"val":"5","batch":"b","count":2}`, false},
	{`{"stream":"S","seq":3,"seq":4}`, false},
	{`{"stream":"S\",\"seq\":9,\"x\":\"","seq":4}`, false},
	{`{"stream":"\u0053","seq":4}`, false},
	{`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"S","seq":0}`, false},
	{`{"stream":"S","seq":0,"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"}}`, false},
	{`{"stream":"S","error":{"description":"\",\"seq\":5}"},"seq":0}`, false},
	{`{"stream":"S","seq":18446744073709551616}`, false},
	{`{"stream":"S","seq":-1}`, false},
	{`{"stream":"S","seq":1.0}`, false},
	{`{"stream":"S","seq":"1"}`, false},
	{`{"stream":"S","seq":}`, false},
	{`{"stream":"S","seq":1}}`, false},
	{`{"stream":"S"}`, false},
	{`{}`, false},
	{``, false},
}

func TestPlainAnswers(t *testing.T) {
	for _, test := range answers {
		if _, plain := readAck([]byte(test.text)); plain != test.plain {
			t.Errorf("%s is plain: %v, want %v", test.text, plain, test.plain)
		}
		wantAsJSON(t, []byte(test.text))
	}
}

// wantAsJSON compares the quick reader with the complete one.
func wantAsJSON(t *testing.T, text []byte) {
	t.Helper()
	seq, plain := readAck(text)
	var r reply
	if err := json.Unmarshal(text, &r); !plain || err != nil {
		return
	}
	if r.Seq != seq || r.Error != nil {
		t.Errorf("%q is read as %d, but says %d and the error %v", text, seq, r.Seq, r.Error)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, test := range answers {
		f.Add([]byte(test.text))
	}
	f.Fuzz(wantAsJSON)
}
