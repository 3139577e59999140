package chart

import (
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestPrefix has everything that asks the gateway follow its prefix, which the
// gateway takes from its flags.
func TestPrefix(t *testing.T) {
	for flags, want := range map[string]string{
		`[]`:                                                     "",
		`[--web.route-prefix=/gw]`:                               "/gw",
		`[--web.route-prefix, gw]`:                               "/gw",
		`[--web.route-prefix=/gw/]`:                              "/gw",
		`[--web.route-prefix=/a//b/.]`:                           "/a/b",
		`[--web.route-prefix=/]`:                                 "",
		`[--web.external-url=https://push.example.org]`:          "",
		`[--web.external-url=https://push.example.org/]`:         "",
		`[--web.external-url=https://push.example.org:8443/gw/]`: "/gw",
		`[--web.external-url, "http://$(HOST):9091/gw?a=b"]`:     "/gw",
		`[--web.external-url=/gw]`:                               "/gw",
		`[--web.external-url=https://push.example.org/a, --web.route-prefix=/b]`:     "/b",
		`[--web.route-prefix=/, --web.external-url=https://push.example.org/a]`:      "",
		`[--web.route-prefix=/metrics]`:                                              "/metrics",
		`[--web.telemetry-path=/web.route-prefix, --push.ttl=7d, --log.format=json]`: "",
	} {
		t.Run(flags, func(t *testing.T) {
			made := mustRender(t, "demo", "default", parse(t, "{serviceMonitor: {enabled: true}, extraArgs: "+flags+"}"))
			all := split(t, made.Manifest)
			container := "{.spec.template.spec.containers[0]"
			for _, c := range []struct{ object, path, want string }{
				{"Deployment", container + ".livenessProbe.httpGet.path}", want + "/-/healthy"},
				{"Deployment", container + ".readinessProbe.httpGet.path}", want + "/-/ready"},
				{"ServiceMonitor", "{.spec.endpoints[0].path}", want + "/metrics"},
			} {
				if got := at(t, find(all, c.object), c.path); got != c.want {
					t.Errorf("%s %s: got %s, want %s", c.object, c.path, got, c.want)
				}
			}
			if url := "--url=http://demo-pushgateway:9091" + want + "\n"; !strings.Contains(made.Hooks[0].Manifest, url) {
				t.Errorf("helm test does not have %s in\n%s", url, made.Hooks[0].Manifest)
			}
			if push := ":9091" + want + "/metrics/job/backup"; !strings.Contains(made.Info.Notes, push) {
				t.Errorf("the notes do not have %s:\n%s", push, made.Info.Notes)
			}
		})
	}
}

// TestProbes has probes that somebody wrote stay as they are.
func TestProbes(t *testing.T) {
	for values, want := range map[string]string{
		`{extraArgs: [--web.route-prefix=/gw], readiness: {probe: {httpGet: {path: /gw/-/ready}}}}`: `{"httpGet":{"path":"/gw/-/ready","port":9091,"scheme":"HTTP"},"initialDelaySeconds":10,"timeoutSeconds":10}`,
		`{readiness: {probe: {tcpSocket: {port: metrics}, periodSeconds: 5}}}`:                      `{"initialDelaySeconds":10,"periodSeconds":5,"tcpSocket":{"port":"metrics"},"timeoutSeconds":10}`,
		`{readiness: {probe: null}}`:                                          "",
		`{readiness: {probe: {httpGet: null, exec: {command: [/bin/true]}}}}`: `{"exec":{"command":["/bin/true"]},"initialDelaySeconds":10,"timeoutSeconds":10}`,
		`{readinessProbe: {httpGet: {path: "/-/ready?for=push", port: 9091}}, extraArgs: [--web.external-url=http://a/gw]}`: `{"httpGet":{"path":"/gw/-/ready?for=push","port":9091}}`,
		`{extraArgs: [--web.config.file=/tls/web.yml]}`:                                                                     `{"initialDelaySeconds":10,"tcpSocket":{"port":9091},"timeoutSeconds":10}`,
		`{extraArgs: [--web.config.file=/tls/web.yml], readiness: {probe: {httpGet: {scheme: HTTPS}}}}`:                     `{"httpGet":{"path":"/-/ready","port":9091,"scheme":"HTTPS"},"initialDelaySeconds":10,"timeoutSeconds":10}`,
	} {
		t.Run(values, func(t *testing.T) {
			if got := at(t, find(objects(t, parse(t, values)), "Deployment"), "{.spec.template.spec.containers[0].readinessProbe}"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestTelemetryPort has scrapes and health at a port of their own.
func TestTelemetryPort(t *testing.T) {
	apart := parse(t, "extraArgs: [--web.telemetry-listen-address=:9092, --web.route-prefix=/gw]\nserviceMonitor: {enabled: true}\nnetworkPolicy: {allowAll: true}")
	together := parse(t, "extraArgs: [--web.route-prefix=/gw]\nserviceMonitor: {enabled: true}\nnetworkPolicy: {allowAll: true}")
	own := parse(t, "extraArgs: [--web.telemetry-listen-address=:9092]\nlivenessProbe: {httpGet: {path: /-/healthy, port: 8080}}")
	const container = ".spec.template.spec.containers[0]"
	for _, c := range []struct {
		values           map[string]any
		kind, path, want string
	}{
		{apart, "Deployment", "{" + container + ".livenessProbe.httpGet.port}", "9092"},
		{apart, "Deployment", "{" + container + ".readinessProbe.httpGet.port}", "9092"},
		{apart, "Deployment", "{" + container + ".ports[*].containerPort}", "9091 9092"},
		{apart, "Service", "{.spec.ports[*].port}", "9091 9092"},
		{apart, "ServiceMonitor", "{.spec.endpoints[0].port}", "telemetry"},
		{apart, "NetworkPolicy", "{.spec.ingress[0].ports[*].port}", "9091 9092"},
		{together, "Deployment", "{" + container + ".readinessProbe.httpGet.port}", "9091"},
		{together, "Deployment", "{" + container + ".ports[*].containerPort}", "9091"},
		{together, "Service", "{.spec.ports[*].port}", "9091"},
		{together, "ServiceMonitor", "{.spec.endpoints[0].port}", "http"},
		{together, "NetworkPolicy", "{.spec.ingress[0].ports[*].port}", "9091"},
		{own, "Deployment", "{" + container + ".livenessProbe.httpGet.port}", "8080"},
		{own, "Deployment", "{" + container + ".readinessProbe.httpGet.port}", "9092"},
	} {
		if got := at(t, find(objects(t, c.values), c.kind), c.path); got != c.want {
			t.Errorf("%s %s: got %q, want %q", c.kind, c.path, got, c.want)
		}
	}
	for _, hook := range mustRender(t, "r", "n", apart).Hooks {
		if !strings.Contains(hook.Manifest, ":9092/gw") {
			t.Errorf("helm test asks elsewhere:\n%s", hook.Manifest)
		}
	}
}

// TestArgs has flags of extraArgs win, and bounds on pushes follow the limit of
// memory.
func TestArgs(t *testing.T) {
	const file = "--persistence.file="
	for values, want := range map[string]string{
		`{}`:                                  "",
		`{persistentVolume: {enabled: true}}`: file + "/data/metrics.db",
		`{persistentVolume: {enabled: true}, extraArgs: [--persistence.file=/data/pushgateway.data]}`:         file + "/data/pushgateway.data",
		`{persistentVolume: {enabled: true}, extraArgs: [--persistence.file, /data/a, --push.ttl=1h]}`:        "--persistence.file /data/a --push.ttl=1h",
		`{persistentVolume: {enabled: true}, extraArgs: [--persistence.file=]}`:                               file,
		`{persistentVolume: {enabled: true}, extraArgs: [--persistence.interval=5m]}`:                         file + "/data/metrics.db --persistence.interval=5m",
		`{webConfiguration: {basicAuthUsers: {a: b}}, extraArgs: [--web.config.file=/etc/config/mine.yml]}`:   "--web.config.file=/etc/config/mine.yml",
		`{extraArgs: [--push.max-body-bytes, 1000000]}`:                                                       "--push.max-body-bytes 1000000",
		`{resources: {limits: {memory: 128Mi}}, config: {limits: {max_inflight_bytes: 80MiB}}}`:               "--config.file=/etc/pushgateway/config/config.yml",
		`{config: {rules: []}, extraArgs: [--config.file=/mine.yml]}`:                                         "--config.file=/mine.yml",
		`{resources: {limits: {cpu: 1}}}`:                                                                     "",
		`{resources: {limits: {memory: 2Gi}}}`:                                                                "",
		`{resources: {limits: {memory: 1048Mi}}}`:                                                             "",
		`{resources: {limits: {memory: 1Gi}}}`:                                                                "--push.max-inflight-bytes=500MiB",
		`{resources: {limits: {memory: "0.25Gi"}}}`:                                                           "--push.max-inflight-bytes=116MiB",
		`{resources: {limits: {memory: 128M}}}`:                                                               "--push.max-inflight-bytes=49MiB --push.max-body-bytes=4MiB",
		`{resources: {limits: {memory: 134217728}}}`:                                                          "--push.max-inflight-bytes=52MiB --push.max-body-bytes=5MiB",
		`{resources: {limits: {memory: "134217728000m"}}}`:                                                    "--push.max-inflight-bytes=52MiB --push.max-body-bytes=5MiB",
		`{resources: {limits: {memory: 1e9}}}`:                                                                "--push.max-inflight-bytes=464MiB",
		`{resources: {limits: {memory: 32Mi}}}`:                                                               "--push.max-inflight-bytes=4MiB --push.max-body-bytes=1MiB",
		`{resources: {limits: {memory: 16Mi}}}`:                                                               "--push.max-inflight-bytes=1MiB --push.max-body-bytes=1MiB",
		`{resources: {limits: {memory: 128Mi}}, extraArgs: [--push.max-inflight-bytes=80MiB]}`:                "--push.max-inflight-bytes=80MiB",
		`{resources: {limits: {memory: 128Mi}}, extraArgs: [--push.max-body-bytes=80MiB, --log.level=debug]}`: "--push.max-body-bytes=80MiB --log.level=debug",
	} {
		t.Run(values, func(t *testing.T) {
			if got := at(t, find(objects(t, parse(t, values)), "Deployment"), "{.spec.template.spec.containers[0].args[*]}"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestGatewayIsReady runs the gateway with the flags that a container would get,
// and probes it as a kubelet would.
func TestGatewayIsReady(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "pushgateway")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/pushgateway")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for title, text := range map[string]string{
		"defaults":         `{}`,
		"own file":         `{persistentVolume: {enabled: true}, extraArgs: [--persistence.file=/data/pushgateway.data, --persistence.interval=5m]}`,
		"prefix":           `{persistentVolume: {enabled: true}, extraArgs: [--web.route-prefix=/gw]}`,
		"external URL":     `{extraArgs: ["--web.external-url=https://push.example.org/gw/"]}`,
		"password, prefix": `{webConfiguration: {basicAuthUsers: {backup: secret}}, extraArgs: [--web.route-prefix=/gw]}`,
		"little memory":    `{resources: {limits: {memory: 32Mi}}}`,
		"small bodies":     `{resources: {limits: {memory: 32Mi}}, extraArgs: [--push.max-body-bytes=1MiB]}`,
	} {
		t.Run(title, func(t *testing.T) {
			values := parse(t, text)
			all := objects(t, values)
			port := freePort(t)
			startContainer(t, binary, all, port)
			for _, probe := range []string{"livenessProbe", "readinessProbe"} {
				awaitProbe(t, all, probe, port)
			}
		})
	}
}

// startContainer runs the gateway as the container of a pod, with the paths of
// its volumes in a directory of the test.
func startContainer(t *testing.T, binary string, all []object, port string) {
	t.Helper()
	dir := t.TempDir()
	if secret := find(all, "Secret"); secret != nil {
		for name, content := range asMap(secret.Object["data"]) {
			plain, err := base64.StdEncoding.DecodeString(content.(string))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), plain, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	volumes := strings.NewReplacer("/etc/config", dir, "/data", dir)
	args := []string{"--web.listen-address=127.0.0.1:" + port}
	for _, arg := range asList(container(all)["args"]) {
		args = append(args, volumes.Replace(arg.(string)))
	}
	cmd := exec.Command(binary, args...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v", cmd.Args, err)
		}
	})
}

func container(all []object) map[string]any {
	pod := asMap(asMap(asMap(workload(all).Object["spec"])["template"])["spec"])
	return asMap(asList(pod["containers"])[0])
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// awaitProbe sends the request of a probe until it is answered.
func awaitProbe(t *testing.T, all []object, probe, port string) {
	t.Helper()
	get := asMap(asMap(container(all)[probe])["httpGet"])
	request, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+get["path"].(string), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range asList(get["httpHeaders"]) {
		header := asMap(h)
		request.Header.Set(header["name"].(string), header["value"].(string))
	}
	for range 300 {
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s of %s: got %s", probe, request.URL, response.Status)
		}
		return
	}
	t.Errorf("%s of %s: nobody answers", probe, request.URL)
}

// TestNames has the rules for names give what they say.
func TestNames(t *testing.T) {
	long := strings.Repeat("long-", 10)
	for _, c := range []struct{ release, values, want, instance string }{
		{"demo", `{}`, "demo-pushgateway", "demo"},
		{"pushgateway", `{}`, "pushgateway", "pushgateway"},
		{"my-pushgateway-2", `{}`, "my-pushgateway-2", "my-pushgateway-2"},
		{"pushgateway", `{nameOverride: prometheus-pushgateway}`, "pushgateway-prometheus-pushgateway", "pushgateway"},
		{"prometheus-pushgateway", `{nameOverride: prometheus-pushgateway}`, "prometheus-pushgateway", "prometheus-pushgateway"},
		{"demo", `{nameOverride: gw, fullnameOverride: push}`, "push", "demo"},
		{"123", `{fullnameOverride: "456"}`, "456", "123"},
		{long, `{}`, long + "pushgateway", long},
		{"demo", `{nameOverride: ` + long + long + `}`, "demo-" + strings.TrimSuffix((long + long)[:58], "-"), "demo"},
	} {
		c.release = strings.TrimSuffix(c.release, "-")
		values := parse(t, c.values)
		maps.Copy(values, parse(t, `{serviceMonitor: {enabled: true}, ingress: {enabled: true}, podDisruptionBudget: {minAvailable: 1}, persistentVolume: {enabled: true}}`))
		for _, o := range split(t, mustRender(t, c.release, "default", values).Manifest) {
			if o.GetName() != c.want {
				t.Errorf("%s of the release %s with %s: got %s, want %s", o.GetKind(), c.release, c.values, o.GetName(), c.want)
			}
			if got := o.GetLabels()["app.kubernetes.io/instance"]; got != strings.TrimSuffix(c.instance, "-") {
				t.Errorf("%s of the release %s: the instance is %q", o.GetKind(), c.release, got)
			}
		}
	}
}
