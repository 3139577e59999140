package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
)

// wget is the program that the container image has under that name. It serves
// health checks written for images with busybox: it accepts the options of
// busybox's wget that such checks use, and exits with 1 on failure.
type wget struct {
	url        string
	output     string // a file, "-" for stdout, or "" for the name in the URL
	toStdout   bool
	spider     bool
	unverified bool
	headed     bool // write the response header to stderr
	timeout    time.Duration
	agent      string
	headers    []string
	body       string
	bodyFile   string
	posts      bool
}

// runWget is the whole program under the name of wget. It returns the exit
// code.
func runWget(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	w, err := parseWget(args, stdout)
	var done exit
	if errors.As(err, &done) {
		return int(done)
	}
	if err == nil {
		err = w.get(ctx, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "wget: %s\n", visible(err.Error()))
		return exitFailed
	}
	return 0
}

func parseWget(args []string, stdout io.Writer) (*wget, error) {
	w := new(wget)
	app := kingpin.New("wget", "Get a URL. A small subset of wget, for health checks in containers.")
	app.Flag("spider", "Check that the URL exists, and write nothing.").BoolVar(&w.spider)
	app.Flag("quiet", "Accepted and ignored: only errors are printed anyway.").Short('q').Bool()
	app.Flag("no-verbose", "Accepted and ignored.").Bool()
	app.Flag("continue", "Accepted and ignored: each download starts from the beginning.").Short('c').Bool()
	app.Flag("output-file", "Accepted and ignored: there are no messages to write to a file.").Short('o').String()
	app.Flag("server-response", "Write the response header to standard error.").Short('S').BoolVar(&w.headed)
	app.Flag("output-document", "Write to this file. - is standard output.").Short('O').IsSetByUser(&w.toStdout).StringVar(&w.output)
	app.Flag("tries", "Accepted and ignored: there is only one try.").Short('t').String()
	seconds := app.Flag("timeout", "Maximum duration in seconds.").Short('T').Default("900").Float64()
	app.Flag("no-check-certificate", "Do not verify the certificate. The certificate of a server on this machine is never verified.").BoolVar(&w.unverified)
	app.Flag("no-proxy", "Accepted and ignored: there is no proxy for this machine.").Bool()
	app.Flag("proxy", "Accepted and ignored.").Short('Y').String()
	app.Flag("user-agent", "The User-Agent header.").Short('U').Default("Wget").StringVar(&w.agent)
	app.Flag("header", "Send this header, like 'Name: value'.").StringsVar(&w.headers)
	app.Flag("post-data", "Send this data with POST.").IsSetByUser(&w.posts).StringVar(&w.body)
	app.Flag("post-file", "Send this file as the body of a POST request.").StringVar(&w.bodyFile)
	app.Arg("url", "The URL to get.").Required().StringVar(&w.url)
	for i, arg := range args {
		if arg == "-nv" {
			args[i] = "--no-verbose"
		}
	}
	if _, err := parse(app, args, stdout, stdout); err != nil {
		return nil, err
	}
	if w.bodyFile != "" {
		b, err := os.ReadFile(w.bodyFile)
		if err != nil {
			return nil, fmt.Errorf("--post-file: %w", err)
		}
		w.body, w.posts = string(b), true
	}
	w.timeout = time.Duration(*seconds * float64(time.Second))
	w.toStdout = w.toStdout && (w.output == "" || w.output == "-") // kingpin turns - into ""
	return w, nil
}

// get fetches the URL and writes the response.
func (w *wget) get(ctx context.Context, stdout, stderr io.Writer) error {
	req, err := w.request()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: w.transport(), Timeout: w.timeout}
	res, err := client.Do(req.WithContext(ctx))
	if err != nil {
		return errors.Unwrap(err) // without the URL, which the user knows
	}
	defer res.Body.Close()
	if w.headed {
		fmt.Fprintf(stderr, "  %s %s\n", res.Proto, visible(res.Status))
		for _, name := range slices.Sorted(maps.Keys(res.Header)) {
			fmt.Fprintf(stderr, "  %s: %s\n", visible(name), visible(res.Header.Get(name)))
		}
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("server returned error: %s %s", res.Proto, res.Status)
	}
	if w.spider {
		return nil
	}
	to, err := w.open(req.URL, stdout)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, res.Body)
	return errors.Join(err, to.Close())
}

func (w *wget) request() (*http.Request, error) {
	if !strings.Contains(w.url, "://") {
		w.url = "http://" + w.url
	}
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if w.posts {
		method, body = http.MethodPost, strings.NewReader(w.body)
	}
	req, err := http.NewRequest(method, w.url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", w.agent)
	if w.posts {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, h := range w.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, fmt.Errorf("--header=%q: it must be like 'Name: value'", h)
		}
		req.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return req, nil
}

// transport verifies certificates, except that of a server on this machine: its
// certificate is for the name that others use, and busybox verifies none.
func (w *wget) transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{InsecureSkipVerify: w.unverified}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		client := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: w.unverified || staysHere(conn)})
		if err := client.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return client, nil
	}
	return t
}

// staysHere reports whether both ends of a connection have the same address,
// which means that it leads to this machine.
func staysHere(conn net.Conn) bool {
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	remote, known := conn.RemoteAddr().(*net.TCPAddr)
	return ok && known && local.IP.Equal(remote.IP)
}

// open opens the output. Without -O, it creates a new file.
func (w *wget) open(u *url.URL, stdout io.Writer) (io.WriteCloser, error) {
	switch {
	case w.toStdout:
		return nopCloser{stdout}, nil
	case w.output != "":
		return os.Create(w.output)
	}
	name := path.Base(u.Path)
	if name == "." || name == "/" {
		name = "index.html"
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
