// Exports metrics as a job does, in the encoding and with the temporality that are
// asked for: node otlp.js http://HOST:PORT/v1/metrics proto|json cumulative|delta
const [url, encoding, temporality] = process.argv.slice(2);
const { MeterProvider, PeriodicExportingMetricReader, AggregationTemporality, AggregationType } = require('@opentelemetry/sdk-metrics');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { OTLPMetricExporter } = require(`@opentelemetry/exporter-metrics-otlp-${encoding === 'json' ? 'http' : 'proto'}`);

const exporter = new OTLPMetricExporter({
  url,
  temporalityPreference: temporality === 'delta' ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
});
let failed = false;
const send = exporter.export.bind(exporter);
exporter.export = (metrics, done) => send(metrics, (result) => {
  failed = failed || result.code !== 0;
  if (result.error) console.error(result.error);
  done(result);
});
const provider = new MeterProvider({
  resource: resourceFromAttributes({ 'service.name': 'js', 'service.namespace': 'shop', 'service.version': '1.2', 'process.pid': 7 }),
  readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3600e3 })],
  views: [{ instrumentName: 'js.size', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 160, recordMinMax: true } } }],
});
const meter = provider.getMeter('e2e');
const requests = meter.createCounter('js.requests', { description: 'Requests with "quotes".' });
const queue = meter.createUpDownCounter('js.queue');
const took = meter.createHistogram('js.took', { unit: 's', advice: { explicitBucketBoundaries: [1, 5] } });
const size = meter.createHistogram('js.size', { unit: 'By' });
meter.createObservableGauge('js.load', { unit: '1' }).addCallback((r) => r.observe(0.5));

const record = () => {
  requests.add(3, { 'http.method': 'GET' });
  queue.add(-2);
  took.record(4);
  size.record(1000);
};
(async () => {
  record();
  await provider.forceFlush();
  record();
  await provider.shutdown();
  process.exit(failed ? 1 : 0);
})();
