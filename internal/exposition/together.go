package exposition

// Blocks of one push usually come and go together. So they share memory: an array
// has the blocks, and a few pieces have their texts. The collector looks at each
// object in each of its cycles, and with many groups none of them is in a cache.
//
// None of that memory is released while one of the blocks is in use. So whoever
// drops some of them must take the others Apart.

const (
	// leastPiece is how long texts are, in bytes, whose blocks have memory of their
	// own. Shorter ones are joined until they are as long together.
	leastPiece = 8 << 10
	// maxMates bounds the blocks in an array, and so the room in it that stays empty
	// if most blocks of a push turn out to be long.
	maxMates = 64
)

// together makes blocks that share memory. Its own memory is used again.
type together struct {
	left   int      // blocks yet to be made
	room   []Block  // for the next ones
	used   int      // blocks of room
	latest []*Block // whose texts are in text, and have no memory yet
	text   []byte
}

// begin must come first. n is how many blocks will be made at most.
func (t *together) begin(n int) {
	t.forget()
	t.left = n
}

// next returns the next block, which is empty, for a text of about this many bytes.
func (t *together) next(size int) *Block {
	t.left--
	if size >= leastPiece {
		return new(Block)
	}
	if t.used == len(t.room) {
		t.finish()
		t.room, t.used = make([]Block, min(t.left+1, maxMates)), 0
	}
	t.used++
	return &t.room[t.used-1]
}

// give gives a block, which must be the latest, a copy of a text.
func (t *together) give(b *Block, text []byte) {
	if t.used == 0 || b != &t.room[t.used-1] {
		b.text = textCopy(text)
		return
	}
	from := len(t.text)
	t.text = append(t.text, text...)
	b.text = t.text[from:]
	t.latest = append(t.latest, b)
	if len(t.text) >= leastPiece {
		t.cut()
	}
}

// cut makes the piece of the latest blocks.
func (t *together) cut() {
	if len(t.latest) == 0 {
		return
	}
	piece := textCopy(t.text)
	for _, b := range t.latest {
		n := len(b.text)
		b.text, piece = piece[:n:n], piece[n:]
	}
	clear(t.latest)
	t.latest, t.text = t.latest[:0], t.text[:0]
}

// finish must be called when all blocks are made.
func (t *together) finish() {
	t.cut()
	if made := t.room[:t.used]; len(made) > 1 {
		for i := range made {
			made[i].first, made[i].mates = &made[0], uint8(len(made))
		}
	}
	t.room, t.used = nil, 0
}

// forget drops what is not finished.
func (t *together) forget() {
	clear(t.latest)
	*t = together{latest: t.latest[:0], text: t.text[:0]}
}

// Mates returns how many blocks share memory, b among them, and the first of
// these. The number is 0 if b shares its memory with none.
func (b *Block) Mates() (n int, first *Block) { return int(b.mates), b.first }
