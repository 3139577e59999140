package crash_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// inode is a file without its name.
type inode struct {
	synced  []byte
	pending []write
}

// write is one that was not synced: bytes, or a new size.
type write struct {
	at   int64
	data []byte // nil: the file gets the size at
}

// disk is what the system knows, and what it has written for sure. It has one
// directory.
type disk struct {
	open    map[int64]string // paths by file descriptor
	names   map[string]*inode
	durable map[string]*inode
}

// newDisk has these files, by path.
func newDisk(files map[string][]byte) *disk {
	d := &disk{open: make(map[int64]string), names: make(map[string]*inode)}
	for path, content := range files {
		d.names[path] = &inode{synced: slices.Clone(content)}
	}
	d.durable = maps.Clone(d.names)
	return d
}

func (d *disk) apply(c call) {
	n := c.numbers()
	switch c.name {
	case "openat":
		path := string(c.text)
		d.open[int64(c.result)] = path
		if strings.Contains(c.args, "O_CREAT") && d.names[path] == nil && c.result >= 0 {
			d.names[path] = new(inode)
		}
	case "close":
		delete(d.open, n[0])
	case "pwrite64":
		if f := d.names[d.open[n[0]]]; f != nil {
			f.pending = append(f.pending, write{n[2], c.text})
		}
	case "ftruncate":
		if f := d.names[d.open[n[0]]]; f != nil {
			f.pending = append(f.pending, write{n[1], nil})
		}
	case "fsync", "fdatasync":
		if path := d.open[n[0]]; c.result == 0 {
			d.sync(path)
		} else if f := d.names[path]; f != nil {
			f.pending = nil // the system gives up on it, but shows it until the end
		}
	case "linkat":
		d.names[string(c.second)] = d.names[string(c.text)]
	case "renameat":
		d.names[string(c.second)] = d.names[string(c.text)]
		delete(d.names, string(c.text))
		for fd, path := range d.open {
			if path == string(c.text) {
				d.open[fd] = string(c.second)
			}
		}
	case "unlinkat":
		delete(d.names, string(c.text))
	}
}

func (d *disk) sync(path string) {
	if f := d.names[path]; f != nil {
		for _, w := range f.pending {
			f.synced = w.on(f.synced)
		}
		f.pending = nil
		return
	}
	d.durable = maps.Clone(d.names)
}

// on gives the content with the write, which may be made in place.
func (w write) on(content []byte) []byte {
	end := int(w.at) + len(w.data)
	if w.data == nil {
		content = content[:min(len(content), end)]
	}
	if missing := end - len(content); missing > 0 {
		content = append(content, make([]byte, missing)...)
	}
	copy(content[w.at:], w.data)
	return content
}

// cut gives the files that a power cut leaves, by path.
func (d *disk) cut(r *rand.Rand) map[string][]byte {
	names := d.durable
	if r.IntN(2) == 0 {
		names = d.names
	}
	files := make(map[string][]byte)
	for _, path := range slices.Sorted(maps.Keys(names)) {
		files[path] = names[path].after(r)
	}
	return files
}

// after gives the synced content with some of the rest, in pieces that are
// written at once.
func (f *inode) after(r *rand.Rand) []byte {
	content := slices.Clone(f.synced)
	most := r.IntN(3) // 0: hardly any of the rest, 2: nearly all
	for _, w := range f.pending {
		if w.data == nil {
			if r.IntN(2) == 0 {
				content = w.on(content)
			}
			continue
		}
		const sector, page = 512, 4096
		piece := []int{sector, page}[r.IntN(2)]
		if w.at < 2*page {
			piece = sector // the two meta pages are less than one
		}
		for from := 0; from < len(w.data); from += piece {
			if r.IntN(4) < 1+most {
				content = write{w.at + int64(from), w.data[from:min(from+piece, len(w.data))]}.on(content)
			}
		}
	}
	return content
}
