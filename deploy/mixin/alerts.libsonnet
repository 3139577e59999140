local lib = import 'lib.libsonnet';

{
  prometheusAlerts+:: {
    groups+: [{
      local config = $._config,
      local own(metric) = lib.own(config, metric),
      local target = lib.targetLabels(config),
      local service = lib.serviceLabels(config),
      local alert(name, severity, expr, wait, summary, description) =
        lib.alert(config, name, severity, expr, wait, summary, description),

      // A counter that has risen within an hour, also to its first value.
      local newer(metric) = '%(now)s > (%(now)s offset 1h or %(now)s * 0)' % { now: own(metric) },

      // Targets that are gateways, up or not: by their name, or because they
      // have said so of themselves. The second holds whatever the scrape job
      // is called.
      local named = lib.select('up', [config.targetSelector]),
      local known = '(%s and on (%s) last_over_time(%s[%s]))' % [own('up'), target, own('pushgateway_build_info'), config.rememberFor],
      local gateways = if config.targetSelector == config.pushgatewaySelector then named else '%s or %s' % [named, known],

      name: 'pushgateway',
      rules: [
        alert(
          'PushgatewayDown',
          'critical',
          '(%(gateways)s) == 0\nor\nabsent(%(gateways)s)\n' % { gateways: gateways },
          '5m',
          'Prometheus cannot scrape the Pushgateway; no metrics of jobs arrive.',
          '{{ with $labels.instance }}{{ . }} of scrape job {{ $labels.job }} has not answered for 5 minutes.{{ else }}No scrape target is a Pushgateway.{{ end }} Pushes may fail, too.',
        ),
        alert(
          'PushgatewayNotScraped',
          'warning',
          // A gateway of which no target is left: what fails is PushgatewayDown.
          |||
            time() - max by (%(service)s) (last_over_time(%(scraped)s[6h])) > %(seconds)d
            unless on (%(service)s)
            %(up)s
          ||| % { service: service, scraped: own('pushgateway_last_scrape_timestamp_seconds'), seconds: config.notScrapedSeconds, up: own('up') },
          '5m',
          'Nobody scrapes the gateway of scrape job {{ $labels.job }} any more.',
          'Its last full scrape that reached this Prometheus was {{ $value | humanizeDuration }} ago, and no scrape target is left. Pushes are taken but not seen. Six hours after the last scrape this alert ends by itself.',
        ),
        alert(
          'PushgatewayScrapesSlow',
          'warning',
          |||
            %(duration)s > %(seconds)d
            and on (%(target)s)
            %(info)s
          ||| % { duration: own('scrape_duration_seconds'), seconds: config.slowScrapeSeconds, target: target, info: own('pushgateway_build_info') },
          '10m',
          'A scrape of {{ $labels.instance }} takes {{ $value | humanizeDuration }}.',
          'Scrapes of {{ $labels.instance }} come close to the timeout of 10 s that Prometheus has by default. Past it, none of the metrics of jobs arrive.',
        ),
        alert(
          'PushgatewayCannotStore',
          'critical',
          // A full disk takes small writes and refuses large ones: the gauge
          // goes to and fro, the counter of failures does not.
          |||
            %(writable)s == 0
            or
            increase(%(failures)s[5m]) > 0
          ||| % { writable: own('pushgateway_journal_writable'), failures: own('pushgateway_journal_commit_failures_total') },
          '1m',
          '{{ $labels.instance }} cannot write its persistence file or stream.',
          'Pushes to {{ $labels.instance }} are refused with 503, or with --persistence.interval kept in memory only. Groups that are stored stay exposed.',
        ),
        alert(
          'PushgatewayRefusesPushes',
          'warning',
          // One is enough: it may be the only push of a nightly job.
          'sum by (%s, reason) (increase(%s[1h])) > 0' % [target, own('pushgateway_pushes_refused_total')],
          '',
          '{{ $labels.instance }} has refused pushes: {{ $labels.reason }}.',
          'Within the last hour {{ $labels.instance }} refused about {{ $value | printf "%.0f" }} pushes or deletes for the reason {{ $labels.reason }}. Its log and /status name the senders. The alert ends an hour after the last.',
        ),
        alert(
          'PushRefused',
          'warning',
          '%s > %s' % [lib.pushed(config, 'push_failure_time_seconds'), lib.pushed(config, 'push_time_seconds')],
          '',
          'The last push of {{ $labels.job }} was refused.',
          'Prometheus still sees what the group pushed before; its grouping key is in the labels of this alert. /api/v1/groups says why the last push was refused.',
        ),
        alert(
          'PushgatewayLeavesFamiliesOut',
          'warning',
          '%s > 0' % own('pushgateway_families_left_out'),
          '5m',
          '{{ $labels.instance }} does not expose {{ $value }} families that contradict older ones.',
          'Another group has pushed the same metric name with another type, or the same series. The gateway exposes the older push, or the one that took the name: it runs with --push.disable-consistency-check, or a rule has on_conflict: replace.',
        ),
        alert(
          'PushgatewayLeavesSeriesOut',
          'warning',
          '%s > 0' % own('pushgateway_series_left_out'),
          '5m',
          '{{ $labels.instance }} does not expose {{ $value }} series whose names or labels are too long.',
          'They come from the file of an earlier version or of 1.11. Exposed, they would end a Prometheus.',
        ),
        alert(
          'PushgatewayNamesCollide',
          'warning',
          '%s > 0' % own('pushgateway_escaping_left_out'),
          '5m',
          '{{ $labels.instance }} leaves {{ $value }} families, labels or series out of scrapes in {{ $labels.format }} with escaping {{ $labels.escaping }}.',
          'Once their names are escaped they are those of others, or they are histograms that contradict themselves.',
        ),
        alert(
          'PushgatewayDropsDuplicates',
          'warning',
          'sum by (%s) (increase(%s[1h])) > 0' % [target, own('pushgateway_duplicate_series_total')],
          '',
          '{{ $labels.instance }} drops series that a push has twice.',
          'Within the last hour pushes had about {{ $value | printf "%.0f" }} series that the same push had before. The first of each was kept. The gateway runs with --push.disable-consistency-check; otherwise it would refuse such a push.',
        ),
        alert(
          'PushgatewayConfigReloadFailed',
          'warning',
          '%s == 0' % own('pushgateway_config_last_reload_successful'),
          '5m',
          '{{ $labels.instance }} could not reload its configuration file.',
          'It goes on with the configuration from before, and may not start with the file as it is. Its log lists the mistakes.',
        ),
        alert(
          'PushgatewayNearLimit',
          'warning',
          '%s / %s > %.2f' % [own('pushgateway_limit_used'), own('pushgateway_limit'), config.nearLimit],
          '5m',
          '{{ $labels.instance }} uses {{ $value | humanizePercentage }} of its limit max_{{ $labels.limit }}.',
          'Beyond the limit, {{ $labels.instance }} refuses pushes that add to what is stored{{ with $labels.rule }}, here those of the largest job of the rule for {{ . }}{{ end }}. Delete what nobody needs, or raise the limit in the configuration file.',
        ),
        alert(
          'PushgatewayClusterDisconnected',
          'warning',
          '%s == 0' % own('pushgateway_cluster_connected'),
          '1m',
          '{{ $labels.instance }} has no connection to a NATS server.',
          'Pushes to {{ $labels.instance }} get 503. Its scrapes show what it knew before, and lack what other gateways have stored since.',
        ),
        alert(
          'PushgatewayClusterLags',
          'warning',
          '%s > %d' % [own('pushgateway_cluster_lag_seconds'), config.clusterLagSeconds],
          '1m',
          '{{ $labels.instance }} has not known for {{ $value | humanizeDuration }} whether it has what other gateways have stored.',
          'Scrapes of {{ $labels.instance }} may show old values. Behind a load balancer that does not check /-/ready?max_lag=5s, counters may seem to go back.',
        ),
        alert(
          'PushgatewayClusterNearlyFull',
          'warning',
          // Without a maximum there is nothing that could be full.
          '%(size)s / (%(most)s > 0) > %(share).2f' % { size: own('pushgateway_journal_file_size_bytes'), most: own('pushgateway_cluster_stream_max_bytes'), share: config.nearlyFull },
          '5m',
          'The stream of {{ $labels.instance }} is {{ $value | humanizePercentage }} full.',
          'From 95 % on, all gateways of the stream refuse pushes of new groups. Delete what nobody needs, or give the stream more room.',
        ),
        alert(
          'PushgatewayClusterDiverges',
          'critical',
          newer('pushgateway_cluster_diverging_groups_total'),
          '0m',
          '{{ $labels.instance }} has found groups that a replica of the stream has lost.',
          'A NATS server may have damaged files. Nothing is lost as long as another replica or a gateway has the groups. Do not restart all gateways at once.',
        ),
        alert(
          'PushgatewayClusterUnreadable',
          'warning',
          newer('pushgateway_cluster_unreadable_groups_total'),
          '0m',
          '{{ $labels.instance }} cannot read groups that a newer gateway has stored.',
          '{{ $labels.instance }} exposes these groups as they were before, and refuses pushes to them. Upgrade {{ $labels.instance }}.',
        ),
        alert(
          'PushgatewayClusterSettings',
          'critical',
          '%s > 0' % own('pushgateway_cluster_settings_differing'),
          '1m',
          'Somebody has changed settings of the stream of {{ $labels.instance }}.',
          'Groups may be lost, and no gateway starts with these settings. The log of {{ $labels.instance }} names them. Change them back with nats stream edit.',
        ),
        alert(
          'PushgatewayClusterClockSkew',
          'warning',
          'abs(%s) > %d' % [own('pushgateway_cluster_clock_skew_seconds'), config.clusterSkewSeconds],
          '5m',
          'The clock of {{ $labels.instance }} is {{ $value | humanizeDuration }} away from that of the NATS servers.',
          '{{ $labels.instance }} goes by the clock of the NATS servers, but logs wrong times. Synchronize the clocks of the machines.',
        ),
      ],
    }],
  },
}
