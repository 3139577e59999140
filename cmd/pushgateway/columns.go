package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// lineWidth is how many characters a line of a table for people has at most.
const lineWidth = 100

// columns are a table whose lines fit lineWidth. The cells of wide columns
// continue on the next lines.
type columns struct {
	heads []string
	rows  [][]string
	// least are the columns that may become narrower than their content, and how
	// narrow.
	least map[int]int
	// cut means that such cells are cut instead.
	cut bool
}

// columnGap is between columns.
const columnGap = 2

// write writes the table.
func (c *columns) write(to io.Writer) error {
	widths := c.widths()
	var b strings.Builder
	for _, row := range append([][]string{c.heads}, c.rows...) {
		c.writeRow(&b, row, widths)
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// widths returns how wide each column is. What is missing is taken from the
// widest ones that may be narrower.
func (c *columns) widths() []int {
	widths, room := make([]int, len(c.heads)), lineWidth-columnGap*(len(c.heads)-1)
	for i := range c.heads {
		widths[i] = utf8.RuneCountInString(c.heads[i])
		for _, row := range c.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		room -= widths[i]
	}
	for ; room < 0; room++ {
		widest := -1
		for i, least := range c.least {
			if widths[i] > least && (widest < 0 || widths[i] > widths[widest] || widths[i] == widths[widest] && i > widest) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func (c *columns) writeRow(b *strings.Builder, row []string, widths []int) {
	cells, lines := make([][]string, len(row)), 0
	for i, text := range row {
		if cells[i] = wrap(text, widths[i]); c.cut {
			cells[i] = []string{shorten(text, max(0, widths[i]-1), 0)}
		}
		lines = max(lines, len(cells[i]))
	}
	for n := range lines {
		var line strings.Builder
		for i := range cells {
			text := ""
			if n < len(cells[i]) {
				text = cells[i][n]
			}
			line.WriteString(text + strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(text))+columnGap))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// wrap cuts a text into lines of at most width characters, at spaces and after
// commas where it can.
func wrap(text string, width int) (lines []string) {
	rest := []rune(text)
	for len(rest) > width {
		cut, next := width, width
		for i := width; i > width/2; i-- {
			if rest[i] == ' ' {
				cut, next = i, i+1
				break
			}
			if rest[i-1] == ',' {
				cut, next = i, i
				break
			}
		}
		lines, rest = append(lines, string(rest[:cut])), rest[next:]
	}
	return append(lines, string(rest))
}
