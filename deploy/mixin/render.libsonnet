// Renders a mixin into the files that Prometheus and Grafana read, by name:
//   jsonnet -S -m DIRECTORY -e '(import "render.libsonnet")(import "mixin.libsonnet")'
local yaml(groups) =
  '# Rendered from deploy/mixin; change it there. docs/operations.md says how.\n' +
  std.manifestYamlDoc({ groups: groups }, indent_array_in_object=true, quote_keys=false) + '\n';

function(mixin)
  local named(name) = std.filter(function(group) group.name == name, mixin.prometheusAlerts.groups);
  {
    'pushgateway.rules.yml': yaml(mixin.prometheusRules.groups + named('pushgateway')),
    'jobs.rules.yml':
      '# Alerts for all jobs that `pushgateway run` runs: see docs/jobs.md. They need\n' +
      '# `honor_labels: true` in the scrape configuration of the gateway.\n' +
      yaml(named('jobs')),
    'pushgateway.json': std.manifestJsonEx(mixin.grafanaDashboards['pushgateway.json'], ' ') + '\n',
  }
