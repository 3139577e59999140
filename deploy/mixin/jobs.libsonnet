// Alerts for all jobs that `pushgateway run` runs. internal/jobs decides in the
// same way, and a test holds the two together.
local lib = import 'lib.libsonnet';

{
  prometheusAlerts+:: {
    groups+: [{
      local config = $._config,
      local pushed(metric) = lib.pushed(config, metric),
      local alert(name, severity, expr, summary, description) =
        lib.alert(config, name, severity, expr, '', summary, description),
      // A time counts if it can be one of a run: no negative one, and none in
      // milliseconds.
      local past(metric) = '(%s >= 0 <= time() + 3600)' % metric,
      local metrics = {
        exit: pushed('job_exit_code'),
        flag: pushed('job_success'),
        success: past('(%s or %s)' % [pushed('job_last_success_timestamp_seconds'), pushed('job_last_success_unixtime')]),
        start: past(pushed('job_last_start_timestamp_seconds')),
        expected: '(%s > 0)' % pushed('job_expected_interval_seconds'),
        duration: '(%s >= 0)' % pushed('job_duration_seconds'),
        running: pushed('job_running'),
        pushed: '(%s > 0)' % pushed('push_time_seconds'),
        silent: 8 * 24 * 3600,
      },

      name: 'jobs',
      rules: [
        alert(
          'JobFailed',
          'warning',
          // NaN is no exit code.
          |||
            %(exit)s > 0
            or
            %(exit)s < 0
            or
            %(flag)s == 0
          ||| % metrics,
          '{{ $labels.job }} failed{{ if $value }} with exit code {{ $value }}{{ end }}.',
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
        alert(
          'JobStale',
          'info',
          // Nobody has said how often to expect a success, but there was none for
          // longer than a weekly job needs; or if the group does not tell of
          // successes, no push. One alert for each job: it may have had thousands
          // of groups.
          |||
            count by (job) (
              (
                time() - %(success)s > %(silent)d
                or
                (time() - %(pushed)s > %(silent)d)
                  unless %(success)s
              )
              unless %(expected)s
            )
          ||| % metrics,
          '{{ $labels.job }} has been silent for over 8 days, in groups: {{ $value }}.',
          'Nothing says how often {{ $labels.job }} should run. Delete the groups if nobody needs them, or push with --expect or a time to live.',
        ),
      ],
    }],
  },
}
