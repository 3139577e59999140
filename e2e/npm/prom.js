// Pushes what prom-client writes in OpenMetrics: node prom.js http://HOST:PORT/metrics/job/JOB
const client = require('prom-client');

const registry = new client.Registry();
registry.setContentType(client.Registry.OPENMETRICS_CONTENT_TYPE);
const registers = [registry];
new client.Counter({ name: 'node_jobs_total', help: 'Jobs with "quotes".', labelNames: ['l'], registers, enableExemplars: true })
  .inc({ labels: { l: 'a"b' }, value: 2, exemplarLabels: { trace_id: 'x' } });
new client.Gauge({ name: 'node_size_bytes', help: 'Size.', registers }).set(5);
new client.Histogram({ name: 'node_took_seconds', help: 'Took.', buckets: [1], registers, enableExemplars: true })
  .observe({ value: 0.5, exemplarLabels: { trace_id: 'y' } });
new client.Summary({ name: 'node_wait', help: 'Wait.', percentiles: [0.5], registers }).observe(1);

(async () => {
  const res = await fetch(process.argv[2], { method: 'PUT', headers: { 'Content-Type': registry.contentType }, body: await registry.metrics() });
  if (res.status !== 200) {
    console.error(res.status, await res.text());
    process.exit(1);
  }
})();
