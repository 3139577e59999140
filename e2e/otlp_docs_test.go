package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.yaml.in/yaml/v4"
)

// fenced returns the block of docs/opentelemetry.md in a language that has a text.
func fenced(t *testing.T, language, with string) string {
	t.Helper()
	page := string(must(os.ReadFile("../docs/opentelemetry.md")))
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1) {
		if strings.Contains(m[1], with) {
			return m[1]
		}
	}
	t.Fatalf("docs/opentelemetry.md has no block of %s with %s", language, with)
	return ""
}

// TestCronJobInDocs runs the job of the page every night, with what its manifest
// sets, and wants one group with the last run.
func TestCronJobInDocs(t *testing.T) {
	s := start(t)
	type container struct {
		Env []struct{ Name, Value string }
	}
	var manifest struct {
		Spec struct {
			JobTemplate struct {
				Spec struct {
					Template struct {
						Spec struct{ Containers []container }
					}
				}
			} `yaml:"jobTemplate"`
		}
	}
	if err := yaml.Unmarshal([]byte(fenced(t, "yaml", "kind: CronJob")), &manifest); err != nil {
		t.Fatal(err)
	}
	for _, e := range manifest.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env {
		t.Setenv(e.Name, strings.Replace(e.Value, "pushgateway:9091", s.addr, 1))
	}
	for night := range 3 {
		ctx := t.Context()
		about := must(resource.New(ctx, resource.WithFromEnv(), resource.WithAttributes(attribute.Int("service.instance.id", night))))
		provider := sdk.NewMeterProvider(sdk.WithReader(sdk.NewPeriodicReader(must(otlpmetrichttp.New(ctx)))), sdk.WithResource(about))
		must(provider.Meter("backup").Int64Counter("backup.files")).Add(ctx, int64(10+night))
		if err := provider.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s.wantSeries([]string{`backup_files_total{instance="",job="backup"} 12`, `pushgateway_groups 1`}, nil)
	if scrape := s.scrape().body; strings.Count(scrape, "\npush_expiry_time_seconds{") != 1 {
		t.Errorf("not one group has a time to live:\n%s", aboutJob(scrape))
	}
}

// TestFunctionInDocs runs the function of the page in several processes, each for
// several requests, and wants the sum.
func TestFunctionInDocs(t *testing.T) {
	t.Parallel() // mostly it waits
	s := start(t)
	dir := t.TempDir()
	writeFile(t, dir+"/function.js", fenced(t, "js", "exports.handler"))
	writeFile(t, dir+"/main.js", `
const { handler } = require('./function.js');
(async () => {
  for (let i = 0; i < 3; i++) await handler({ files: ['a', 'b'], format: 'png' });
})();
`)
	var env []string
	for line := range strings.Lines(fenced(t, "text", "OTEL_SERVICE_NAME=thumbnails")) {
		env = append(env, strings.Replace(strings.TrimSpace(line), "pushgateway:9091", s.addr, 1))
	}
	for range 2 {
		runNode(t, dir+"/main.js", env)
	}
	s.wantSeries([]string{`thumbnails_made_total{format="png",instance="",job="thumbnails"} 12`}, nil)
	if scrape := s.scrape().body; strings.Count(scrape, "\npush_expiry_time_seconds{") != 1 {
		t.Errorf("not one group has a time to live:\n%s", aboutJob(scrape))
	}
}
