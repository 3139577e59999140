package exposition

// Protobuf that is made from text takes as much memory as the text, and a scrape
// needs it again only where no run or piece has it. So blocks keep what a scrape
// begins with, up to a bound. The rest is made for each scrape.

// protobuf returns Proto of a block, or nil if it must be made each time.
func (e *Encoder) protobuf(b *Block) []byte {
	if b.onlyText() && b.made.Load() == nil && e.at+b.proto > e.keeps {
		return nil
	}
	return b.Proto()
}

// delimited returns delimited of a block, or nil if it must be made each time.
func (e *Encoder) delimited(b *Block) []byte {
	switch {
	case b.leftOut() == 0:
		return e.protobuf(b)
	case b.more.orderly == nil:
		return []byte{} // all series are left out, and nothing must be made
	}
	return b.more.orderly
}

// stored returns what a block has in the format, text or delimited protobuf, or nil
// if it must be made each time.
func (e *Encoder) stored(b *Block) []byte {
	if e.format.Syntax == Protobuf {
		return e.delimited(b)
	}
	return b.Text()
}

// madePiece is how many bytes of protobuf are made at a time. One series may exceed
// it.
const madePiece = 32 << 10

// eachMade makes the protobuf of a block that has only text. It yields pieces that
// are valid until the next one.
func (e *Encoder) eachMade(b *Block, yield func([]byte) bool) (more bool) {
	for lines := view(b.text); len(lines) > 0; {
		e.made = e.made[:0]
		for len(lines) > 0 && len(e.made) < madePiece {
			e.made, lines = e.reader.appendSeries(e.made, b, lines)
		}
		if !yield(e.made) {
			return false
		}
	}
	return true
}

// writeContent writes what own has returned for a block.
func (e *Encoder) writeContent(b *Block, content []byte) (err error) {
	if content != nil {
		_, err = e.w.Write(content)
		return err
	}
	e.eachMade(b, func(piece []byte) bool {
		_, err = e.w.Write(piece)
		return err == nil
	})
	return err
}

// lasting returns the content of a block, which does not change, or nil if it is
// large and would have to be made.
func (e *Encoder) lasting(b *Block, own func(*Block) []byte) []byte {
	if content := own(b); content != nil || b.proto > madePiece {
		return content
	}
	return e.reader.appendProto(make([]byte, 0, b.proto), b)
}

// sizeOf returns the size of what a block has in text or protobuf.
func (f Format) sizeOf(b *Block) int {
	if f.Syntax == Protobuf {
		return b.DelimitedSize()
	}
	return len(b.text)
}
