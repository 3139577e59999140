(import 'config.libsonnet') +
(import 'alerts.libsonnet') +
(import 'jobs.libsonnet') +
(import 'rules.libsonnet') +
(import 'dashboard.libsonnet')
