package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"golang.org/x/term"
)

// watch shows a list again and again.
type watch struct {
	on    bool
	every time.Duration
}

// addWatch adds the flags to do so.
func addWatch(clause *kingpin.CmdClause) *watch {
	w := new(watch)
	clause.Flag("watch", "Show the list again and again, until interrupted. On a terminal it stays in one place, and is cut to the height of the terminal.").Short('w').BoolVar(&w.on)
	clause.Flag("watch-interval", "How long to wait before the list is shown again with --watch.").Default("5s").DurationVar(&w.every)
	return w
}

// leastWatch keeps watching from being a load.
const leastWatch = 100 * time.Millisecond

func (w *watch) check() error {
	if w.every < leastWatch {
		return fmt.Errorf("--watch-interval=%s: it must be at least %s", w.every, leastWatch)
	}
	return nil
}

// run calls show, which writes the list: once, or with --watch until ctx ends,
// which is no failure. A list that cannot be had is tried again as well.
func (w *watch) run(ctx context.Context, stdout, stderr io.Writer, show func(context.Context, io.Writer) error) error {
	if !w.on {
		return show(ctx, stdout)
	}
	for first := true; ; first = false {
		var b strings.Builder
		err := show(ctx, &b)
		if ctx.Err() != nil {
			return nil
		}
		if err := w.write(stdout, b.String(), first); err != nil {
			return err
		}
		if err != nil {
			tell(stderr, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.every):
		}
	}
}

// clearScreen makes a terminal empty, and begins at its top.
const clearScreen = "\x1b[H\x1b[2J"

// write writes a list. What is not a terminal gets an empty line between lists.
func (w *watch) write(stdout io.Writer, list string, first bool) error {
	f, isFile := stdout.(*os.File)
	if !isFile || !isTerminal(stdout) {
		if !first {
			list = "\n" + list
		}
		_, err := io.WriteString(stdout, list)
		return err
	}
	_, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		height = 0
	}
	heading := fmt.Sprintf("Every %s, last at %s. Ctrl-C ends.\n\n", w.every, time.Now().Format(time.TimeOnly))
	_, err = io.WriteString(stdout, clearScreen+cutTo(heading+list, height))
	return err
}

// cutTo cuts a text to the lines that a terminal has room for, with the cursor
// below them. 0 means that nobody knows how many these are.
func cutTo(text string, height int) string {
	lines := strings.SplitAfter(text, "\n")
	room := height - 1
	if height < 3 || len(lines)-1 <= room {
		return text
	}
	return strings.Join(lines[:room-1], "") + fmt.Sprintf("… %d more lines\n", len(lines)-room)
}
