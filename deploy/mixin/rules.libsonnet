local lib = import 'lib.libsonnet';

{
  prometheusRules+:: {
    groups+: [{
      local config = $._config,

      name: 'pushgateway-recorded',
      rules: [
        {
          // Since the oldest group of a job was pushed.
          record: 'job:push_age_seconds:max',
          expr: lib.lines('time() - min by (job) (%s > 0)' % lib.pushed(config, 'push_time_seconds')),
        },
        {
          record: 'instance:pushgateway_pushes:rate5m',
          expr: lib.lines('sum by (%s) (rate(%s[5m]))' % [
            lib.targetLabels(config),
            lib.select('pushgateway_http_requests_total', [config.pushgatewaySelector, 'handler="push"']),
          ]),
        },
      ],
    }],
  },
}
