// Package config reads the configuration file: limits, rules for groups and jobs, who may
// do what, and with whom the gateway shares its groups. It is strict, so that a misspelt key never passes for one that
// holds. It knows the file and what its values mean, but does nothing with them.
package config

import "time"

// Config is what a file says. It does not change. The zero value is that of an
// empty file.
type Config struct {
	Limits Limits `yaml:"limits"`
	Rules  Rules  `yaml:"rules"`
	// Jobs say what metrics tell about jobs.
	Jobs JobRules `yaml:"jobs"`
	// Access is nil if the file does not say who may do what. Then everybody may
	// do everything.
	Access *Access `yaml:"access"`
	// Cluster is nil if the file does not say that the gateway shares its groups.
	// It is read only at the start.
	Cluster *Cluster `yaml:"cluster"`

	file string
	at   map[string]place // of each key that the file has, by its path
}

// Limits are the limits that the file sets. Zero fields are not set.
type Limits struct {
	// What may be stored.
	Groups    int `yaml:"max_groups"`
	Series    int `yaml:"max_series"`
	LabelSets int `yaml:"max_label_sets"`

	// One push.
	BodyBytes       Bytes `yaml:"max_body_bytes"`
	GroupsPerPush   int   `yaml:"max_groups_per_push"`
	FamiliesPerPush int   `yaml:"max_families_per_push"`
	SeriesPerPush   int   `yaml:"max_series_per_push"`
	GroupingLabels  int   `yaml:"max_grouping_labels"`

	// One group.
	SeriesPerGroup int   `yaml:"max_series_per_group"`
	SeriesPerSum   int   `yaml:"max_series_per_sum_group"`
	GroupBytes     Bytes `yaml:"max_group_bytes"`

	// All groups that pushes add to.
	IdempotencyKeys int `yaml:"max_idempotency_keys"`

	// One series. Lengths are in bytes.
	LabelsPerSeries  int `yaml:"max_labels_per_series"`
	NameLength       int `yaml:"max_name_length"`
	LabelNameLength  int `yaml:"max_label_name_length"`
	LabelValueLength int `yaml:"max_label_value_length"`
	LabelsLength     int `yaml:"max_labels_length"`
	HelpLength       int `yaml:"max_help_length"`
	Buckets          int `yaml:"max_buckets_per_histogram"`

	// All clients together.
	InflightBytes Bytes `yaml:"max_inflight_bytes"`
	Connections   int   `yaml:"max_connections"`
}

// Rule is what holds for the groups that it matches, unless an earlier rule
// matches them. Zero fields are not set.
type Rule struct {
	Match Selector `yaml:"match,required"`
	// TTL is the time to live of groups that do not ask for less. Nil means that
	// the rule does not say; 0 that they live forever.
	TTL *Duration `yaml:"ttl"`
	// Limits of one job.
	SeriesPerJob    int  `yaml:"max_series_per_job"`
	GroupsPerJob    int  `yaml:"max_groups_per_job"`
	PushesPerSecond Rate `yaml:"max_pushes_per_second"`
	// OnConflict says what happens when a push uses names in a way that
	// contradicts another group.
	OnConflict OnConflict `yaml:"on_conflict"`
	// LongAgo is how long nobody has pushed to a group that can lose its names. It
	// is set exactly if OnConflict is Replace.
	LongAgo Duration `yaml:"long_ago"`

	// Index is the place of the rule in the file, from 0.
	Index int `yaml:"-"`
}

// Access says who may do what.
type Access struct {
	// Anonymous is what a client may do that does not say who it is.
	Anonymous []Permission `yaml:"anonymous"`
	Users     []User       `yaml:"users"`
}

// Anonymous is the name of a client that does not say who it is.
const Anonymous = "anonymous"

// User is somebody who may do something.
type User struct {
	Name string `yaml:"name,required"`

	// How the user proves who it is. At most one of PasswordFile and PasswordHash
	// is set.
	PasswordFile string `yaml:"password_file"`
	PasswordHash Secret `yaml:"password_hash"` // of bcrypt
	TokenFile    string `yaml:"token_file"`
	Certificate  string `yaml:"certificate"` // DNS name or CN of a client certificate
	// Addresses are where the user can come from. Nil means anywhere.
	Addresses []Network `yaml:"addresses"`

	// What the user may do, and with which groups. A nil Match means all groups.
	May   []Permission `yaml:"may,required"`
	Match *Selector    `yaml:"match"`

	// Password and Token are the content of the files, without white space around
	// it.
	Password Secret `yaml:"-"`
	Token    Secret `yaml:"-"`
}

// File returns the path of the file, or "" for the zero value.
func (c *Config) File() string { return c.file }

// TimeToLive returns the time to live that the rule sets, if it does. r may be
// nil.
func (r *Rule) TimeToLive() (ttl time.Duration, ok bool) {
	if r == nil || r.TTL == nil {
		return 0, false
	}
	return time.Duration(*r.TTL), true
}
