local lib = import 'lib.libsonnet';

// A panel with one query for each legend. Its place is set by `place`.
local panel(type, title, description, unit, queries) = {
  type: type,
  title: title,
  description: description,
  datasource: { type: 'prometheus', uid: '${datasource}' },
  fieldConfig: { defaults: { unit: unit }, overrides: [] },
  targets: [
    {
      refId: std.char(65 + i),
      expr: queries[i].expr,
      legendFormat: queries[i].legend,
      instant: type == 'table',
      format: if type == 'table' then 'table' else 'time_series',
    }
    for i in std.range(0, std.length(queries) - 1)
  ],
};

local query(expr, legend) = { expr: expr, legend: legend };

// A row of two columns of panels, from line y down.
local section(title, panels) = {
  title: title,
  panels: panels,
  height: 1 + 8 * std.ceil(std.length(panels) / 2),
  at(y):: [
    { type: 'row', title: title, collapsed: false, panels: [], gridPos: { x: 0, y: y, w: 24, h: 1 } },
  ] + [
    panels[i] { gridPos: { x: 12 * (i % 2), y: y + 1 + 8 * std.floor(i / 2), w: 12, h: 8 } }
    for i in std.range(0, std.length(panels) - 1)
  ],
};

// The panels of all sections below each other, numbered.
local place(sections) =
  local stacked = std.foldl(
    function(all, s) { y: all.y + s.height, panels: all.panels + s.at(all.y) },
    sections,
    { y: 0, panels: [] },
  ).panels;
  [stacked[i] { id: i + 1 } for i in std.range(0, std.length(stacked) - 1)];

local variable(name, label, description, values) = {
  name: name,
  label: label,
  description: description,
  type: 'query',
  datasource: { type: 'prometheus', uid: '${datasource}' },
  definition: values,
  query: { query: values, refId: name },
  refresh: 2,  // whenever the range of time changes
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: '.*',
  current: { text: 'All', value: '$__all' },
};

{
  grafanaDashboards+:: {
    'pushgateway.json': {
      local config = $._config,
      local own(metric, matchers=[]) =
        lib.select(metric, [config.pushgatewaySelector, 'job=~"$job"', 'instance=~"$instance"'] + matchers),
      local pushed(metric) = lib.select(metric, [config.pushedSelector, 'job=~"$pushed_job"']),
      local rate(metric) = 'rate(%s[5m])' % own(metric),
      local mean(metric, by) = 'sum by (%s) (%s) / sum by (%s) (%s)' % [by, rate(metric + '_sum'), by, rate(metric + '_count')],

      local runs = section('Jobs that pushgateway run runs', [
        panel('bargauge', 'Time since the last success', 'How long ago each job last ended with exit code 0. Jobs that never succeeded are missing.', 's', [
          query('sort_desc(time() - %s)' % pushed('job_last_success_timestamp_seconds'), '{{job}}'),
        ]),
        panel('timeseries', 'Duration of the last run', 'How long the last run that ended took.', 's', [
          query(pushed('job_duration_seconds'), '{{job}}'),
        ]),
        panel('table', 'Failing jobs, exit code', 'Jobs whose last completed run failed. An exit code above 128 is 128 plus the number of the signal that ended the run.', 'none', [
          query('%s != 0' % pushed('job_exit_code'), '{{job}}'),
        ]),
        panel('table', 'Late jobs, time since the last success that was due', 'Jobs that have not succeeded for longer than 1.1 times --expect. JobMissing fires for these.', 's', [
          query('(time() - %(success)s > 1.1 * %(expected)s) or ((time() - %(start)s > 1.1 * %(expected)s) unless %(success)s)' % {
            success: pushed('job_last_success_timestamp_seconds'),
            start: pushed('job_last_start_timestamp_seconds'),
            expected: pushed('job_expected_interval_seconds'),
          }, '{{job}}'),
        ]),
        panel('timeseries', 'Running, for how long', 'Runs that have begun and not ended, or whose end could not be pushed.', 's', [
          query('time() - %s and %s == 1' % [pushed('job_last_start_timestamp_seconds'), pushed('job_running')], '{{job}}'),
        ]),
        panel('timeseries', 'Most memory of a process of the last run', 'The largest resident memory of any single process of the last run.', 'bytes', [
          query(pushed('job_max_resident_memory_bytes'), '{{job}}'),
        ]),
      ]),

      local jobs = section('All jobs', [
        panel('bargauge', 'Time since the last successful push, oldest group of each job', 'How old the oldest group of each job is. Groups that were never pushed to with success do not count.', 's', [
          query('sort_desc(time() - min by (job) (%s > 0))' % pushed('push_time_seconds'), '{{job}}'),
        ]),
        panel('table', 'Jobs of which the last push was refused', 'How many groups of each job still show what they pushed before, since their last push was refused. PushRefused fires for these.', 'short', [
          query('count by (job) (%s > %s)' % [pushed('push_failure_time_seconds'), pushed('push_time_seconds')], '{{job}}'),
        ]),
        panel('timeseries', 'Groups that end by themselves, time left', 'Time until the next group of each job ends. Only groups with a time to live are here.', 's', [
          query('min by (job) (%s) - time()' % pushed('push_expiry_time_seconds'), '{{job}}'),
        ]),
        panel('timeseries', 'Groups and series stored', 'What all chosen gateways hold. A histogram or a summary is one series here.', 'short', [
          query('sum(%s)' % own('pushgateway_groups'), 'groups'),
          query('sum(%s)' % own('pushgateway_series'), 'series'),
        ]),
      ]),

      local gateway = section('Gateway', [
        panel('timeseries', 'Requests', 'Requests by handler and status, without scrapes.', 'reqps', [
          query('sum by (handler, code) (%s)' % rate('pushgateway_http_requests_total'), '{{handler}} {{code}}'),
        ]),
        panel('timeseries', 'Pushes refused', 'Pushes and deletes that were not taken, by reason. docs/metrics.md says what each reason means.', 'reqps', [
          query('sum by (reason) (%s)' % rate('pushgateway_pushes_refused_total'), '{{reason}}'),
        ]),
        panel('timeseries', 'Mean time of a push', 'From the headers of a push to its outcome. With a persistence file this includes the wait for the disk.', 's', [
          query(mean('pushgateway_http_push_duration_seconds', 'method'), '{{method}}'),
        ]),
        panel('timeseries', 'Mean time of a scrape', 'Until the last byte was handed over, by format. A slow reader makes it long, too.', 's', [
          query(mean('pushgateway_scrape_duration_seconds', 'format'), '{{format}}'),
        ]),
        panel('timeseries', 'Time since the last scrape', 'As of the last scrape that this Prometheus read: the interval at which the gateway is scraped, by whomever.', 's', [
          query('%s - %s > 0' % ['timestamp(%s)' % own('pushgateway_last_scrape_timestamp_seconds'), own('pushgateway_last_scrape_timestamp_seconds')], '{{instance}}'),
        ]),
        panel('timeseries', 'Size of a scrape', 'Mean size of a scrape before compression, by format.', 'bytes', [
          query(mean('pushgateway_scrape_size_bytes', 'format'), '{{format}}'),
        ]),
        panel('timeseries', 'Persistence file', 'Size of the file. It is written anew, and gets smaller, when much of it is free.', 'bytes', [
          query(own('pushgateway_journal_file_size_bytes'), '{{instance}}'),
        ]),
        panel('timeseries', 'Persistence file writable', '1 if changes can be stored, 0 if pushes are refused or only kept in memory.', 'bool', [
          query(own('pushgateway_journal_writable'), '{{instance}}'),
        ]),
        panel('timeseries', 'Commits', 'Attempts to write changes to the file, each for all that was waiting, and those that failed.', 'ops', [
          query(rate('pushgateway_journal_commits_total'), '{{instance}} all'),
          query(rate('pushgateway_journal_commit_failures_total'), '{{instance}} failed'),
        ]),
        panel('timeseries', 'Mean time of a commit', 'How long a commit takes, the wait for the disk included. Pushes wait as long.', 's', [
          query(mean('pushgateway_journal_commit_duration_seconds', 'instance'), '{{instance}}'),
        ]),
        panel('timeseries', 'Memory', 'Resident memory of the gateway.', 'bytes', [
          query(own('process_resident_memory_bytes'), '{{instance}}'),
        ]),
        panel('timeseries', 'Left out of scrapes', 'What is stored but not exposed: families that contradict older ones, and series that are too long. It should be 0.', 'short', [
          query(own('pushgateway_families_left_out'), '{{instance}} families'),
          query(own('pushgateway_series_left_out'), '{{instance}} series'),
        ]),
      ]),

      uid: config.dashboardUID,
      title: 'Pushgateway',
      description: 'Jobs that push, and the gateway they push to.',
      tags: config.dashboardTags,
      schemaVersion: 39,
      version: 3,
      refresh: '30s',
      time: { from: 'now-6h', to: 'now' },
      templating: {
        list: [
          {
            name: 'datasource',
            label: 'Data source',
            type: 'datasource',
            query: 'prometheus',
            current: { text: 'Prometheus', value: 'prometheus' },
          },
          variable('job', 'Scrape job', 'The scrape job of the gateway.', 'label_values(%s, job)' % lib.own(config, 'pushgateway_build_info')),
          variable('instance', 'Instance', 'The gateway.', 'label_values(%s, instance)' % lib.select('pushgateway_build_info', [config.pushgatewaySelector, 'job=~"$job"'])),
          variable('pushed_job', 'Pushed job', 'The job that pushes.', 'label_values(%s, job)' % lib.pushed(config, 'push_time_seconds')),
        ],
      },
      panels: place([runs, jobs, gateway]),
    },
  },
}
