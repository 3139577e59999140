package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/otlptranslator"

	"pushgateway/internal/otlp"
)

// otlpSettings say how metrics in the OpenTelemetry protocol are translated.
type otlpSettings struct {
	strategy     string
	promoted     string
	dropInstance bool
}

func (o *otlpSettings) addFlags(serve *kingpin.CmdClause) {
	serve.Flag("otlp.translation-strategy", "How names of OTLP become names of metrics and labels, as in Prometheus: UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes or NoTranslation. The last two need --push.enable-utf8-names.").
		Default(string(otlptranslator.UnderscoreEscapingWithSuffixes)).StringVar(&o.strategy)
	serve.Flag("otlp.promote-resource-attributes", "Comma-separated resource attributes of OTLP that become grouping labels, like k8s.namespace.name,deployment.environment. The others become labels of target_info.").Default("").StringVar(&o.promoted)
	serve.Flag("otlp.drop-instance", "Ignore the attribute service.instance.id of OTLP, which some SDKs make up for each run. A request can ask for that with the header X-Pushgateway-Instance: drop, or with ?instance=drop.").Default("false").BoolVar(&o.dropInstance)
}

// strategies are those of Prometheus. Those that keep names need UTF-8 names.
var strategies = []otlptranslator.TranslationStrategyOption{
	otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.UnderscoreEscapingWithoutSuffixes,
	otlptranslator.NoUTF8EscapingWithSuffixes, otlptranslator.NoTranslation,
}

func (o *otlpSettings) check(utf8Names bool) error {
	s := otlptranslator.TranslationStrategyOption(o.strategy)
	if !slices.Contains(strategies, s) {
		return fmt.Errorf("--otlp.translation-strategy=%q: it must be UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes or NoTranslation", o.strategy)
	}
	if !s.ShouldEscape() && !utf8Names {
		return fmt.Errorf("--otlp.translation-strategy=%s keeps names that need UTF-8; add --push.enable-utf8-names", o.strategy)
	}
	return nil
}

// options returns what the flags say.
func (o *otlpSettings) options() otlp.Options {
	var promoted []string
	for name := range strings.SplitSeq(o.promoted, ",") {
		if name = strings.TrimSpace(name); name != "" {
			promoted = append(promoted, name)
		}
	}
	return otlp.Options{Strategy: otlptranslator.TranslationStrategyOption(o.strategy), Promoted: promoted, DropInstance: o.dropInstance}
}
