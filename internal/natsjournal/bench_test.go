package natsjournal_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"pushgateway/internal/gateway"
	"pushgateway/internal/natsjournal"
	"pushgateway/internal/natstest"
)

// body is a push of 100 series.
func body(n int64) string {
	var b strings.Builder
	for f := range 10 {
		fmt.Fprintf(&b, "# TYPE family_%d gauge\n", f)
		for s := range 10 {
			fmt.Fprintf(&b, "family_%d{shard=\"%d\"} %d.%d\n", f, s, n*7919%100_000, s*f)
		}
	}
	return b.String()
}

// BenchmarkAcknowledged compares pushes with what the bare servers acknowledge
// for messages of about the same size. The processor time is that of this process, not
// of the servers.
func BenchmarkAcknowledged(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(clients, " clients, gateway"), func(b *testing.B) {
			g := open(b, natstest.Launch(b, 3).URLs(), 3)
			each(b, clients, func(client int, n int64) {
				if err := g.Push(context.Background(), pushOf(b, keyOf(b, fmt.Sprint("job", client)), body(n))); err != nil {
					b.Error(err)
				}
			})
		})
		b.Run(fmt.Sprint(clients, " clients, bare"), func(b *testing.B) {
			urls := natstest.Launch(b, 3).URLs()
			open(b, urls, 3) // makes the stream
			conn, err := nats.Connect(strings.Join(urls, ","))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			content := []byte(strings.Repeat("0123456789", 80))
			each(b, clients, func(client int, n int64) {
				if _, err := conn.Request(fmt.Sprint("pg.S.g.", client), content, 10*time.Second); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[int(float64(len(all)-1)*q)]
}

// each runs b.N calls from some clients.
func each(b *testing.B, clients int, call func(client int, n int64)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	before := cpu(b)
	b.ResetTimer()
	for client := range clients {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				call(client, n)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkForeign applies the pushes of another member.
func BenchmarkForeign(b *testing.B) {
	servers := natstest.Start(b, 1)
	there, here := open(b, servers.URLs(), 1), open(b, servers.URLs(), 1)
	var lags []time.Duration
	b.ResetTimer()
	for n := range int64(b.N) {
		p := pushOf(b, keyOf(b, fmt.Sprint("job", n%100)), body(n))
		if err := there.Push(context.Background(), p); err != nil {
			b.Fatal(err)
		}
		want, start := there.Group(p.Key).Revision, time.Now()
		for {
			if g := here.Group(p.Key); g != nil && g.Revision >= want {
				break
			}
		}
		lags = append(lags, time.Since(start))
	}
	b.ReportMetric(float64(quantile(lags, 0.99).Microseconds()), "µs-lag-p99")
}

// cpu returns the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStart reads a stream of 100,000 groups. The processor time includes
// that of the server.
func BenchmarkStart(b *testing.B) {
	servers := natstest.StartUnsynced(b)
	g := open(b, servers.URLs(), 1)
	for base := range 1000 {
		pushes := make([]gateway.Push, 100)
		for i := range pushes {
			pushes[i] = pushOf(b, keyOf(b, fmt.Sprint("job", base*100+i)), "m{a=\"1\"} 1\nn 2\n")
		}
		for _, err := range g.PushAll(context.Background(), pushes) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	before := cpu(b)
	b.ResetTimer()
	for b.Loop() {
		again, err := gateway.Open(b.Context(), gateway.Config{Journal: natsjournal.New(natsjournal.Config{URLs: servers.URLs(), Stream: "S"})})
		if err != nil {
			b.Fatal(err)
		}
		if n := again.View().Groups(); n != 100_000 {
			b.Fatalf("%d groups", n)
		}
		_ = again.Close()
	}
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N), "cpu-s/op")
}
