// Alerts for all jobs that `pushgateway run` runs.
local lib = import 'lib.libsonnet';

{
  prometheusAlerts+:: {
    groups+: [{
      local config = $._config,
      local pushed(metric) = lib.pushed(config, metric),
      local alert(name, severity, expr, summary, description) =
        lib.alert(config, name, severity, expr, '', summary, description),
      local metrics = {
        success: pushed('job_last_success_timestamp_seconds'),
        start: pushed('job_last_start_timestamp_seconds'),
        expected: pushed('job_expected_interval_seconds'),
        duration: pushed('job_duration_seconds'),
        running: pushed('job_running'),
      },

      name: 'jobs',
      rules: [
        alert(
          'JobFailed',
          'warning',
          '%s != 0' % pushed('job_exit_code'),
          '{{ $labels.job }} failed with exit code {{ $value }}.',
          'The last completed run of {{ $labels.job }} failed. The next one that succeeds ends this alert.',
        ),
        alert(
          'JobMissing',
          'critical',
          // The last success is longer ago than --expect says, and a tenth of
          // that; or there is none, and the last start is.
          |||
            time() - %(success)s > 1.1 * %(expected)s
            or
            (time() - %(start)s > 1.1 * %(expected)s)
              unless %(success)s
          ||| % metrics,
          '{{ $labels.job }} has not succeeded for {{ $value | humanizeDuration }}, longer than expected.',
          '{{ $labels.job }} fails each time, is not started any more, or its runs do not reach the gateway.',
        ),
        alert(
          'JobRunsLong',
          'warning',
          // It takes over three times as long as its last run, and ten minutes
          // more; or it has not ended when it should have succeeded again. Or
          // it was lost with its machine: then nobody has told that it ended.
          |||
            (
              time() - %(start)s > 600 + 3 * %(duration)s
              or
              time() - %(start)s > %(expected)s
            )
            and %(running)s == 1
          ||| % metrics,
          '{{ $labels.job }} has been running for {{ $value | humanizeDuration }}, or was lost.',
          '{{ $labels.job }} takes much longer than its last run, or longer than --expect. If its machine was lost, nobody has told the gateway that it ended.',
        ),
      ],
    }],
  },
}
