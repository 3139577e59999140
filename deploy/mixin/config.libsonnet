{
  _config+:: {
    // Selects the scrape targets that are gateways: 'job="monitoring/pgw"'.
    // Empty selects all of them, whatever their scrape jobs are called.
    pushgatewaySelector: '',

    // Selects targets that should be gateways even if none has answered yet.
    // It is the selector above if that names a job. Otherwise it guesses from
    // the name of the scrape job.
    targetSelector:
      local selector = $._config.pushgatewaySelector;
      local guess = 'job=~"(?i).*push[-_]?gateway.*"';
      if selector == '' then guess
      else if std.length(std.findSubstr('job', selector)) > 0 then selector
      else selector + ',' + guess,

    // Selects pushed series: 'team="a"'. Their job is that of the push.
    pushedSelector: '',

    // Labels that tell gateways apart, besides instance. Add 'cluster' if one
    // Prometheus or ruler sees several clusters.
    serviceLabels: ['job'],

    // How long a gateway that stopped answering is remembered as one.
    rememberFor: '1d',

    // A scrape slower than this is about to run into its timeout of 10 s.
    slowScrapeSeconds: 8,

    // How much of a limit of what is stored may be used, from 0 to 1.
    nearLimit: 0.9,

    // How much of a stream that several gateways share may be full, from 0 to 1.
    // At 0.95 new groups are refused.
    nearlyFull: 0.8,

    // How long a gateway may not know whether it has what others have stored.
    clusterLagSeconds: 30,

    // How far the clock of a gateway may be from that of the NATS servers.
    clusterSkewSeconds: 5,

    // A gateway that nobody has scraped for longer than this is forgotten.
    notScrapedSeconds: 900,

    // Where these docs are served. Runbook links start with it.
    docsURL: 'docs',

    dashboardUID: 'pushgateway',
    dashboardTags: ['prometheus'],
  },
}
