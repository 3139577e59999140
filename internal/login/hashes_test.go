package login

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"pushgateway/internal/guard"
)

// TestGoodLoginsAreRemembered holds that a good login needs no turn, however
// many wrong ones came after it. Others wait for one, and are told if none comes.
func TestGoodLoginsAreRemembered(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("good"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	h := NewHashes()
	check := func(ctx context.Context, password string) (bool, error) {
		return h.check(ctx, "127.0.0.1", "user", password, string(hash), true)
	}
	if good, err := check(t.Context(), "good"); !good || err != nil {
		t.Fatalf("got %v, %v", good, err)
	}
	for i := range 20 {
		if good, err := check(t.Context(), fmt.Sprint("wrong", i)); good || err != nil {
			t.Fatalf("got %v, %v", good, err)
		}
	}
	if len(h.proven) != 1 {
		t.Errorf("%d logins are remembered, one was good", len(h.proven))
	}
	taken := h.places.Open("127.0.0.2")
	defer taken.Close()
	if err := taken.Wait(t.Context(), int64(max(1, runtime.GOMAXPROCS(0)-1))); err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if good, err := check(gone, "good"); !good || err != nil {
		t.Errorf("a known login: got %v, %v", good, err)
	}
	if _, err := check(gone, "wrong"); !errors.Is(err, guard.ErrNoRoom) {
		t.Errorf("a wrong one: got %v", err)
	}
	if good, err := h.check(gone, "127.0.0.1", "user", "good", string(hash)+"x", true); good || !errors.Is(err, guard.ErrNoRoom) {
		t.Errorf("after a change of the hash: got %v, %v", good, err)
	}
}

// TestFewPasswordsWait bounds how many passwords of one address wait, also if
// nobody waits for the answers any more. Other addresses have room.
func TestFewPasswordsWait(t *testing.T) {
	h := NewHashes()
	taken := h.places.Open("127.0.0.9")
	defer taken.Close()
	if err := taken.Wait(t.Context(), int64(max(1, runtime.GOMAXPROCS(0)-1))); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error)
	ask := func(client string) {
		_, err := h.check(ctx, client, "user", "wrong", "no hash", true)
		ended <- err
	}
	for range maxWaiting + 1 {
		go ask("127.0.0.1")
	}
	if err := <-ended; !errors.Is(err, guard.ErrNoRoom) { // the one too many; the others wait
		t.Errorf("got %v", err)
	}
	for range maxWaiting {
		go ask("127.0.0.2")
	}
	end()
	for range 2 * maxWaiting {
		if err := <-ended; !errors.Is(err, guard.ErrNoRoom) {
			t.Errorf("got %v", err)
		}
	}
	if len(h.waiting) != 0 {
		t.Errorf("still waiting are %v", h.waiting)
	}
}
