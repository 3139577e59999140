package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/alecthomas/kingpin/v2"

	"pushgateway/internal/config"
	"pushgateway/internal/gateway"
	"pushgateway/internal/storage"
)

// streamOf is the stream of a cluster that a command uses in the place of a file
// or a gateway.
type streamOf struct {
	clusterSettings
	configFile string // names the cluster too, or ""
}

// addStreamOf adds the flags for a stream that exists.
func addStreamOf(clause *kingpin.CmdClause, url string) *streamOf {
	s := new(streamOf)
	s.addPlace(clause, url)
	s.addStream(clause, "Name of the stream that holds the groups.")
	s.addConnection(clause)
	s.replicas = 1
	return s
}

// addNewStream adds the flags for a stream that may not exist yet.
func addNewStream(clause *kingpin.CmdClause, url string) *streamOf {
	s := new(streamOf)
	s.addPlace(clause, url)
	s.addStream(clause, "Name of the stream. It is made if it does not exist.")
	s.addMaking(clause)
	s.addConnection(clause)
	return s
}

// addPlace adds the flags that say that there is a cluster.
func (s *streamOf) addPlace(clause *kingpin.CmdClause, url string) {
	clause.Flag("cluster.url", url).SetValue(&s.urls)
	clause.Flag("config.file", "Configuration file of a gateway, whose section cluster stands for the flags --cluster.*.").Default("").StringVar(&s.configFile)
}

// isSet reports whether there is a cluster.
func (s *streamOf) isSet() bool { return s.configFile != "" || s.clusterSettings.isSet() }

// load takes what the configuration file says, if there is one.
func (s *streamOf) load() error {
	if s.configFile == "" {
		return nil
	}
	file, err := config.Load(s.configFile)
	switch {
	case err != nil:
		return err
	case file.Cluster == nil:
		return fmt.Errorf("--config.file=%q: it has no section cluster; name another file, or give --cluster.url", s.configFile)
	case s.clusterSettings.isSet():
		return errors.New("--config.file and --cluster.url exclude each other; give one of them")
	}
	s.adopt(file.Cluster)
	return nil
}

// check returns an error for settings that cannot work.
func (s *streamOf) check() error {
	if err := s.load(); err != nil {
		return err
	}
	if !s.isSet() {
		return s.checkUnset()
	}
	return s.clusterSettings.check()
}

// config returns what the storage needs to know.
func (s *streamOf) config(stderr io.Writer) storage.Config {
	cluster := s.connection()
	return storage.Config{Cluster: cluster, Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
}

// open opens the stream for reading.
func (s *streamOf) open(ctx context.Context, stderr io.Writer) (*gateway.Gateway, error) {
	return storage.FromCluster(ctx, s.config(stderr))
}

// copyTo writes the groups of the stream as a persistence file. It puts another
// copy near it meanwhile.
func (s *streamOf) copyTo(ctx context.Context, w io.Writer, near string, stderr io.Writer) error {
	gw, err := s.open(ctx, stderr)
	if err != nil {
		return err
	}
	return errors.Join(storage.WriteJournal(ctx, w, gw.View(), near), gw.Close())
}

// String names the stream.
func (s *streamOf) String() string {
	return fmt.Sprintf("the stream %s of %s", s.stream, s.urls.String())
}

// importInto copies the groups of a file into the stream.
func (s *streamOf) importInto(ctx context.Context, path string, with storage.Meeting, stdout, stderr io.Writer) error {
	present, err := storage.Present(path)
	if err != nil {
		return err
	}
	gw, err := gateway.Open(ctx, gateway.Config{Journal: storage.Source(present)})
	if err != nil {
		return err
	}
	defer gw.Close()
	moved, err := storage.Move(ctx, s.config(stderr), gw.View(), with)
	for _, key := range moved.Removed {
		fmt.Fprintf(stdout, "removed, since %s does not have it: %s\n", present, visible(key.Excerpt()))
	}
	for _, key := range moved.Kept {
		fmt.Fprintf(stdout, "not imported, since a gateway changed it meanwhile: %s\n", visible(key.Excerpt()))
	}
	for _, why := range moved.TooLarge {
		fmt.Fprintf(stdout, "not imported: %s\n", visible(why.Error()))
	}
	if moved.Newer > 0 {
		fmt.Fprintf(stdout, "not imported, since the stream has them from the same push or a later one: %s\n", counted(moved.Newer, "group"))
	}
	if err != nil {
		return fmt.Errorf("importing %s into %s: %w", present, s, err)
	}
	fmt.Fprintf(stdout, "%s has %s of %s; serve it with %s\n", s, counted(moved.Groups, "group"), present, s.flags())
	return nil
}

// flags are those of a gateway that serves the stream.
func (s *streamOf) flags() string {
	flags := "--cluster.url=" + s.urls.String()
	if s.stream != defaultStream {
		flags = "--cluster.stream=" + s.stream + " " + flags
	}
	return flags
}

// oneSource returns an error unless a command has one source of groups.
func oneSource(file string, s *streamOf) error {
	switch {
	case file == "" && !s.isSet():
		return errors.New("give the persistence file to read, or --cluster.url for the stream of a cluster")
	case file != "" && s.isSet():
		return errors.New("a file and --cluster.url exclude each other; give one of them")
	}
	return s.check()
}
