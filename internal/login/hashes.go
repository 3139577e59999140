package login

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"pushgateway/internal/guard"
)

const (
	// maxPassword is how many bytes of a password bcrypt uses. Longer passwords
	// are wrong.
	maxPassword = 72
	// maxProven bounds the logins that are remembered.
	maxProven = 1000
	// patience is how long a password waits for its check.
	patience = 30 * time.Second
	// maxWaiting is how many passwords of one address wait. A client that leaves is
	// not noticed while the body of its request is unread, so its password waits
	// on.
	maxWaiting = 64
)

// Hashes compares passwords with bcrypt hashes. It leaves one core to other
// work. Addresses take turns, so that wrong passwords of one delay no other for
// long. It remembers correct passwords, and never wrong ones. It is safe for
// concurrent use.
type Hashes struct {
	places *guard.Shares // turns of checks
	secret []byte

	mu      sync.Mutex
	proven  map[digest]bool
	waiting map[string]int // passwords, by what their address counts as
}

// digest identifies texts in a form that reveals none of them, and that nobody
// else can compute.
type digest [sha256.Size]byte

// NewHashes returns a Hashes that remembers nothing.
func NewHashes() *Hashes {
	secret := make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // never fails
	return &Hashes{secret: secret, proven: make(map[digest]bool), waiting: make(map[string]int), places: guard.NewShares(int64(max(1, runtime.GOMAXPROCS(0)-1)))}
}

// digest returns the digest of texts. The time that it takes depends on their
// lengths alone, and so does that of comparing digests: an attacker cannot
// choose one.
func (h *Hashes) digest(texts ...string) digest {
	mac := hmac.New(sha256.New, h.secret)
	for _, text := range texts {
		fmt.Fprintf(mac, "%d:", len(text))
		mac.Write([]byte(text))
	}
	return digest(mac.Sum(nil))
}

// check reports whether the password of a user, which a client with this address
// has sent, has a hash. If the client must not wait, or not longer, for its turn,
// the error is guard.ErrNoRoom. With known unset it takes as long, and the answer is
// no.
func (h *Hashes) check(ctx context.Context, client, user, password, hash string, known bool) (bool, error) {
	if len(password) > maxPassword {
		return false, nil
	}
	login := h.digest(user, password, hash)
	if known && h.isProven(login) {
		return true, nil
	}
	matches, err := h.compare(ctx, client, password, hash)
	if !matches || !known {
		return false, err
	}
	h.remember(login)
	return true, nil
}

func (h *Hashes) isProven(login digest) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.proven[login]
}

// remember records a correct login. Only other correct ones can replace it. It
// includes the hash, so that it becomes useless when the user gets another
// password.
func (h *Hashes) remember(login digest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for old := range h.proven {
		if len(h.proven) < maxProven {
			break
		}
		delete(h.proven, old)
	}
	h.proven[login] = true
}

// compare waits for its turn, of which each address has one at a time, and
// hashes the password.
func (h *Hashes) compare(ctx context.Context, client, password, hash string) (bool, error) {
	key := guard.Key(client)
	if !h.enter(key) {
		return false, guard.ErrNoRoom
	}
	defer h.leave(key)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	place := h.places.Open(client)
	defer place.Close()
	if err := place.Wait(ctx, 1); err != nil {
		return false, err
	}
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil, nil
}

// enter reports whether one more password of an address may wait. If so, call
// leave.
func (h *Hashes) enter(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[key] >= maxWaiting {
		return false
	}
	h.waiting[key]++
	return true
}

func (h *Hashes) leave(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[key]--; h.waiting[key] == 0 {
		delete(h.waiting, key)
	}
}
