// Functions that alerts, rules and the dashboard share. Each takes _config.
{
  // The labels of one target, for `by` and `on`.
  targetLabels(config):: std.join(', ', config.serviceLabels + ['instance']),

  serviceLabels(config):: std.join(', ', config.serviceLabels),

  // A metric with a selector. Without matchers there are no braces.
  select(metric, matchers)::
    local given = std.filter(function(m) m != '', matchers);
    if given == [] then metric else '%s{%s}' % [metric, std.join(',', given)],

  // A metric that the gateway has of itself.
  own(config, metric):: self.select(metric, [config.pushgatewaySelector]),

  // A series that jobs push, or that stands for their group.
  pushed(config, metric):: self.select(metric, [config.pushedSelector]),

  // The link to an alert's paragraph. Headings become anchors in lower case.
  runbook(config, alert):: '%s/operations.md#%s' % [config.docsURL, std.asciiLower(alert)],

  // An expression as a text of lines, which YAML shows without quotes.
  lines(expr):: if std.endsWith(expr, '\n') then expr else expr + '\n',

  alert(config, name, severity, expr, wait, summary, description):: {
    alert: name,
    expr: $.lines(expr),
    [if wait != '' then 'for']: wait,
    labels: { severity: severity },
    annotations: {
      summary: summary,
      description: description,
      runbook_url: $.runbook(config, name),
    },
  },
}
