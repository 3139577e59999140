package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	stopSignal = syscall.SIGSTOP
	goOnSignal = syscall.SIGCONT
	// groupsAtOnce is how many groups are changed at a time.
	groupsAtOnce = 4
	// groupFor is how long a group is changed, so that a history of a long run
	// has many short parts.
	groupFor = 6 * time.Second
	// never is after the end of every history.
	never = 1 << 62
)

// operation is what a client does with one group.
type operation struct {
	kind  byte // '+' merges a family, '=' replaces the group, '-' deletes it, 's' adds 1 to a sum, '?' reads it
	group string
	name  string // of the family
}

// result is how an operation ended.
type result struct {
	unknown bool    // it may have happened, and may still happen
	read    content // of a read
}

// content is what a group has: its families but the sum, in order, and the sum.
type content struct {
	names string
	sum   int
}

// groupModel says what operations do.
var groupModel = porcupine.Model{
	Init: func() any { return content{} },
	Step: func(state, input, output any) (bool, any) {
		is, op := state.(content), input.(operation)
		switch op.kind {
		case '?':
			return output.(result).read == is, is
		case '-':
			return true, content{}
		case '=':
			return true, content{names: op.name}
		case 's':
			is.sum++
			return true, is
		}
		is.names = merged(is.names, op.name)
		return true, is
	},
	Equal: func(a, b any) bool { return a == b },
}

func merged(names, name string) string {
	if names == "" {
		return name
	}
	all := append(strings.Split(names, ","), name)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ",")
}

// history collects operations of many clients. It is safe for concurrent use.
type history struct {
	began time.Time

	mu    sync.Mutex
	turns int // how often the groups were others
	names int
	parts map[string][]porcupine.Operation // by group
	none  map[string][]string              // by group: what has not happened, and why
	notes []string
}

func newHistory() *history {
	return &history{began: time.Now(), parts: make(map[string][]porcupine.Operation), none: make(map[string][]string)}
}

func (h *history) now() int64 { return time.Since(h.began).Nanoseconds() }

func (h *history) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf("%d: %s", h.now()/1000, what))
}

func (h *history) add(group string, op porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts[group] = append(h.parts[group], op)
}

// addNone notes an operation that has not happened, for whoever reads a history
// that cannot be explained.
func (h *history) addNone(id int, op operation, called, returned int64, a answer, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.none[op.group] = append(h.none[op.group], fmt.Sprintf("client %d, %d to %d: %c%s has not happened: %v %d %s", id, called/1000, returned/1000, op.kind, op.name, err, a.status, clip(a.body)))
}

// all returns all groups that there have been.
func (h *history) all() (groups []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for turn := range h.turns + 1 {
		groups = append(groups, groupsOf(turn)...)
	}
	return groups
}

// present returns the groups that are changed now.
func (h *history) present() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return groupsOf(h.turns)
}

func groupsOf(turn int) (groups []string) {
	for i := range groupsAtOnce {
		groups = append(groups, fmt.Sprintf("%d-%d", turn, i))
	}
	return groups
}

// newName returns a name of a family that no group has had.
func (h *history) newName() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names++
	return fmt.Sprint("m", h.names)
}

// check checks that each group has had one order of operations.
func (h *history) check(t *testing.T) {
	t.Helper()
	all, unknown := 0, 0
	for group, ops := range h.parts {
		for _, op := range ops {
			if all++; op.Output.(result).unknown {
				unknown++
			}
		}
		if got := porcupine.CheckOperationsTimeout(groupModel, ops, time.Minute); got != porcupine.Ok {
			t.Errorf("the history of the group %s is not linearizable: %s\n%s%s", group, got, describe(ops), strings.Join(h.none[group], "\n"))
		}
	}
	t.Logf("%d operations, %d of them without an answer that says more\n%s", all, unknown, strings.Join(h.notes, "\n"))
	if all < 50 {
		t.Errorf("there were only %d operations", all)
	}
}

func describe(ops []porcupine.Operation) string {
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, op := range ops {
		o := op.Input.(operation)
		fmt.Fprintf(&b, "client %d, %d to %d: %c%s %+v\n", op.ClientId, op.Call/1000, op.Return/1000, o.kind, o.name, op.Output)
	}
	return b.String()
}

// turn changes other groups after a while, until stop is closed.
func (s *siege) turn(stop chan struct{}) {
	for pauseFor(groupFor, stop) {
		s.history.mu.Lock()
		s.history.turns++
		s.history.mu.Unlock()
	}
}

// client does random operations until stop is closed, most of them at one
// gateway.
func (s *siege) client(id int, stop chan struct{}) {
	random := rand.New(rand.NewPCG(uint64(id), rand.Uint64()))
	for pauseFor(time.Duration(random.IntN(40))*time.Millisecond, stop) {
		m := s.members[id%besiegedMembers]
		if random.IntN(10) == 0 {
			m = s.members[random.IntN(besiegedMembers)]
		}
		groups := s.history.present()
		op := operation{kind: "+++==-sss???"[random.IntN(12)], group: groups[random.IntN(len(groups))]}
		switch op.kind {
		case '?':
			s.read(m, id, groups)
		case 's':
			s.add(m, id, op)
		default:
			s.change(m, id, op)
		}
	}
}

func pathOfGroup(group string) string { return "/metrics/job/siege/group/" + group }

// change changes a group once.
func (s *siege) change(m *besieged, id int, op operation) {
	method, want, body := http.MethodDelete, http.StatusAccepted, ""
	if op.kind != '-' {
		op.name = s.history.newName()
		want, body = http.StatusOK, op.name+" 1\n"+halfOf(op.name)+" 1\n"
		method = map[byte]string{'+': http.MethodPost, '=': http.MethodPut}[op.kind]
	}
	called := s.history.now()
	a, err := m.do(method, pathOfGroup(op.group), body)
	returned := s.history.now()
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		s.history.addNone(id, op, called, returned, a, err)
		return
	case err != nil || isUnknown(a):
		returned = never
	case a.status == want:
	case a.status == http.StatusServiceUnavailable:
		s.history.addNone(id, op, called, returned, a, err)
		return // it has not happened; otherwise a read shows it
	default:
		s.t.Errorf("%c: %d %s", op.kind, a.status, a.body)
	}
	s.history.add(op.group, porcupine.Operation{ClientId: id, Input: op, Call: called, Output: result{unknown: returned == never}, Return: returned})
}

// isUnknown reports whether an answer says that a change may have happened, or may
// still happen.
func isUnknown(a answer) bool {
	return a.status == http.StatusServiceUnavailable &&
		(strings.Contains(a.body, "may still be stored later") || strings.Contains(a.body, "came before it is not known"))
}

// add adds to a sum, and tries again at any gateway until it is known that it has
// happened.
func (s *siege) add(m *besieged, id int, op operation) {
	op.name = s.history.newName()
	called := s.history.now()
	for {
		a, err := m.do(http.MethodPost, pathOfGroup(op.group)+"?merge=sum", "# TYPE sum counter\nsum 1\n", "Idempotency-Key", `"`+op.name+`"`)
		if err == nil && a.status == http.StatusOK {
			break
		}
		if err == nil && a.status != http.StatusServiceUnavailable {
			s.t.Errorf("an addition: %d %s", a.status, a.body)
			return
		}
		m = s.anyMember()
		time.Sleep(50 * time.Millisecond)
	}
	s.history.add(op.group, porcupine.Operation{ClientId: id, Input: op, Call: called, Output: result{}, Return: s.history.now()})
}

// halfOf returns the name of the other family of a push, without which it would be
// half there.
func halfOf(name string) string { return "h" + name }

var sample = regexp.MustCompile(`(?m)^(h?m\d+|sum)\{group="([^"]+)",instance="",job="siege"\} (\d+)$`)

// read reads groups at a gateway that has everything that was acknowledged
// before, and reports whether that was possible.
func (s *siege) read(m *besieged, id int, groups []string) bool {
	called := s.history.now()
	_, _, lives := m.state()
	if a, err := m.do(http.MethodDelete, "/metrics/job/nothing", ""); err != nil || a.status != http.StatusAccepted {
		return false
	}
	a, err := m.do(http.MethodGet, "/metrics?own=false", "")
	if _, _, now := m.state(); err != nil || a.status != http.StatusOK || now != lives {
		return false
	}
	returned := s.history.now()
	for group, is := range contents(a.body, groups) {
		s.history.add(group, porcupine.Operation{ClientId: id, Input: operation{kind: '?', group: group}, Call: called, Output: result{read: is}, Return: returned})
	}
	return true
}

// contents returns what groups have in an exposition.
func contents(body string, groups []string) map[string]content {
	all := make(map[string]content)
	for _, group := range groups {
		all[group] = content{}
	}
	for _, m := range sample.FindAllStringSubmatch(body, -1) {
		is, wanted := all[m[2]]
		switch {
		case !wanted:
			continue
		case m[1] == "sum":
			_, _ = fmt.Sscan(m[3], &is.sum) // the pattern has digits
		default:
			is.names = merged(is.names, m[1])
		}
		all[m[2]] = is
	}
	for group, is := range all {
		is.names = whole(is.names)
		all[group] = is
	}
	return all
}

// whole returns the names of pushes whose halves are both there. What is half there
// stays as it is, so that no history explains it.
func whole(names string) string {
	all := strings.Split(names, ",")
	rest := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return strings.HasPrefix(name, "h") && slices.Contains(all, name[1:]) })
	for i, name := range rest {
		if name != "" && !slices.Contains(all, halfOf(name)) {
			rest[i] = name + " is half there"
		}
	}
	return strings.Join(rest, ",")
}

// try sends a request and reads the answer.
func (s *server) try(method, path, body string, header ...string) (answer, error) {
	req, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return exchange(req)
}

// signal sends a signal to the process of a gateway.
func (m *besieged) signal(s syscall.Signal) {
	if err := m.s.proc.Cmd.Process.Signal(s); err != nil {
		m.t.Error(err)
	}
}
