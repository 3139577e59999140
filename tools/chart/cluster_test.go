package chart

import (
	"strings"
	"testing"
)

// TestCluster renders gateways that share their groups.
func TestCluster(t *testing.T) {
	const args = "{.spec.template.spec.containers[0].args[*]}"
	for _, c := range []struct{ values, object, path, want string }{
		{`cluster: {urls: ["nats://a:4222"]}`, "Deployment", args, "--cluster.url=nats://a:4222 --cluster.stream=PUSHGATEWAY --cluster.replicas=3 --cluster.advertise-address=$(POD_IP):9091"},
		{`{cluster: {urls: ["nats://a:4222"]}, nats: {enabled: true}}`, "Deployment", "{.spec.template.spec.containers[0].args[0]}", "--cluster.url=nats://a:4222"},
		{`{cluster: {urls: ["nats://a:4222"]}, extraArgs: [--cluster.replicas=1, --cluster.url=nats://b:4222, --cluster.stream=S, "--cluster.advertise-address=a:1"]}`,
			"Deployment", args, "--cluster.replicas=1 --cluster.url=nats://b:4222 --cluster.stream=S --cluster.advertise-address=a:1"},
		{`{cluster: {urls: ["nats://a:4222"]}, extraArgs: ["--web.telemetry-listen-address=:9191"]}`, "Deployment", "{.spec.template.spec.containers[0].args[3]}", "--cluster.advertise-address=$(POD_IP):9191"},
		{`{cluster: {urls: ["nats://a:4222"]}, strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0}}}`, "Deployment", "{.spec.strategy.rollingUpdate}", `{"maxSurge":0}`},
		{`cluster: {urls: ["nats://a:4222"], credentialsSecret: c, systemCredentialsSecret: s}`, "Deployment", args,
			"--cluster.url=nats://a:4222 --cluster.stream=PUSHGATEWAY --cluster.replicas=3 --cluster.credentials-file=/etc/pushgateway/nats-credentials/user.creds --cluster.system-credentials-file=/etc/pushgateway/nats-system-credentials/user.creds --cluster.advertise-address=$(POD_IP):9091"},
		{`cluster: {urls: ["nats://a:4222"], credentialsSecret: c, systemCredentialsSecret: s}`, "Deployment",
			"{.spec.template.spec.containers[0].volumeMounts[1:].mountPath} {.spec.template.spec.volumes[1:].secret.secretName}", "/etc/pushgateway/nats-credentials /etc/pushgateway/nats-system-credentials c s"},
		{`{cluster: {urls: ["nats://a:4222"], systemCredentialsSecret: s}, extraArgs: [--cluster.system-credentials-file=/f]}`, "Deployment", "{.spec.template.spec.containers[0].args[4]}", "--cluster.system-credentials-file=/f"},
		{`cluster: {credentialsSecret: c}`, "Deployment", "{.spec.template.spec.volumes[*].name}", "storage-volume"},
		{`nats: {enabled: true, replicas: 1}`, "StatefulSet/demo-nats", "{.spec.replicas}", "1"},
		{`nats: {enabled: true, storageClass: fast, size: 9Gi}`, "StatefulSet/demo-nats", "{.spec.volumeClaimTemplates[0].spec.storageClassName} {.spec.volumeClaimTemplates[0].spec.resources.requests.storage}", "fast 9Gi"},
		{`{}`, "StatefulSet", "{.metadata.name}", "absent"},
		{`{}`, "Deployment", "{.spec.strategy.type}", "Recreate"},
	} {
		if got := at(t, find(objects(t, parse(t, c.values)), c.object), c.path); got != c.want {
			t.Errorf("%s: %s of the %s is %q, not %q", c.values, c.path, c.object, got, c.want)
		}
	}
	for _, both := range []string{`persistentVolume: {enabled: true}`, `extraArgs: [--persistence.file=/data/m]`} {
		_, err := render("demo", "default", parse(t, `{nats: {enabled: true}, `+both+`}`))
		if err == nil || !strings.Contains(err.Error(), "in a cluster or in a file, not in both") {
			t.Errorf("%s beside a cluster: %v", both, err)
		}
	}
}

// TestServersOfCluster reads what the chart's NATS servers are told. That they find
// each other needs the names of their pods.
func TestServersOfCluster(t *testing.T) {
	all := objects(t, parse(t, `nats: {enabled: true}`))
	config := at(t, find(all, "ConfigMap/demo-nats"), `{.data.nats\.conf}`)
	for _, part := range []string{"sync_interval: always", "max_payload: 8MB", "store_dir: /data", "nats://demo-nats-0.demo-nats:6222", "nats://demo-nats-2.demo-nats:6222"} {
		if !strings.Contains(config, part) {
			t.Errorf("the configuration lacks %q:\n%s", part, config)
		}
	}
	if got := at(t, find(all, "StatefulSet/demo-nats"), "{.spec.serviceName}"); got != "demo-nats" {
		t.Errorf("the pods are of the service %q", got)
	}
}
