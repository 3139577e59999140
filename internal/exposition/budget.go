package exposition

import "pushgateway/internal/guard"

// ErrBusy is wrapped by errors of a Budget that others have used up. The same
// push may succeed later.
var ErrBusy = guard.ErrBusy

// Budget provides the memory for processing a push. Its methods are called from
// one goroutine.
type Budget interface {
	// Take requests bytes before they are allocated.
	Take(bytes int) error
	// Return returns some of them.
	Return(bytes int)
}

// tab takes memory from a budget in pieces, so that counting is cheap. Without
// a budget it only counts.
type tab struct {
	budget Budget
	left   int // left of the last piece
	taken  int // total
}

// firstPiece is the size of the first piece, in bytes. Later pieces grow with
// what was taken.
const firstPiece = 8 << 10

// take must be called before n bytes are allocated.
func (t *tab) take(n int) error {
	if t.left -= n; t.left >= 0 {
		return nil
	}
	return t.takePiece()
}

func (t *tab) takePiece() error {
	n := max(firstPiece, t.taken/16) - t.left
	if t.budget != nil {
		if err := t.budget.Take(n); err != nil {
			t.left = 0
			return err
		}
	}
	t.taken += n
	t.left += n
	return nil
}

// settle returns the rest of the last piece once nothing more is taken.
func (t *tab) settle() {
	if t.budget != nil && t.left > 0 {
		t.budget.Return(t.left)
	}
	t.taken -= t.left
	t.left = 0
}

// put returns n bytes that were taken.
func (t *tab) put(n int) { t.left += n }

// giveBack returns everything.
func (t *tab) giveBack() {
	if t.budget != nil {
		t.budget.Return(t.taken)
	}
	*t = tab{}
}
