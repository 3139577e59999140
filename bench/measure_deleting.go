package main

import (
	"bytes"
	"context"
	"fmt"
)

// measureDeleting measures how long pushes to other groups wait while one request
// deletes many, beside how long that takes with a tenth of them.
func (b *bench) measureDeleting(ctx context.Context) (rows []row, err error) {
	for _, c := range []struct {
		where string
		start starter
	}{{"in memory", b.startManaged}, {"on disk", b.startDurableManaged}} {
		few, err := b.deleteMany(ctx, c.start, mortals/10)
		if err != nil {
			return nil, err
		}
		many, err := b.deleteMany(ctx, c.start, mortals)
		if err != nil {
			return nil, err
		}
		rows = append(rows,
			row{what: fmt.Sprintf("deleting %s groups by selector, %s, beside pushes", inWords(mortals/10), c.where), unit: milliseconds, gateway: few.visible},
			row{what: fmt.Sprintf("the same, %s groups", inWords(mortals)), unit: milliseconds, gateway: many.visible,
				goals: []goal{atMost(fmt.Sprintf("%g × as long for each group", linear), many.visible, 10*linear, few.visible)}})
		rows = append(rows, many.pushes()...)
	}
	return rows, nil
}

// startManaged starts a gateway that deletes by selector.
func (b *bench) startManaged(ctx context.Context, l *load) (*target, error) {
	return b.start(ctx, kind{path: b.gateway, listen: "--web.listen-address",
		args: []string{"--log.level=error", "--persistence.file=", "--web.enable-admin-api"}}, l)
}

func (b *bench) startDurableManaged(ctx context.Context, l *load) (*target, error) {
	t, _, err := b.startDurable(ctx, l, "--web.enable-admin-api")
	return t, err
}

// deleteRequest deletes all groups of the bench.
var deleteRequest = bytes.Replace(get(`/api/v1/admin/delete_groups?match%5B%5D=%7Bjob%3D%22bench%22%7D`), []byte("GET"), []byte("POST"), 1)

func (b *bench) deleteMany(ctx context.Context, start starter, groups int) (e ending, err error) {
	t, err := start(ctx, newSmallLoad(clients))
	if err != nil {
		return e, err
	}
	defer t.stop()
	if err := t.fillMany(groups, nil); err != nil {
		return e, err
	}
	return e, b.ends(ctx, t, &e, func(*bystander) (err error) {
		e.visible, err = t.timed(deleteRequest, fmt.Sprintf(`"deleted":%d`, groups))
		return err
	})
}
