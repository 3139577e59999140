package chart

import (
	"strings"
	"testing"
)

// TestNothingOfTheOtherKind gives empty maps for lists and empty lists for maps,
// which value files for the community's chart have: both say nothing.
func TestNothingOfTheOtherKind(t *testing.T) {
	values := parse(t, `
service: {loadBalancerSourceRanges: {}}
networkPolicy: {customSelectors: {}, allowAll: true}
serviceMonitor: {enabled: true, additionalLabels: [], basicAuth: [], tlsConfig: [], relabelings: {}, metricRelabelings: {}}
persistentVolume: {annotations: [], emptyDir: []}
ingress: {enabled: true, annotations: [], extraPaths: {}, hosts: {}, tls: {}}
route: {main: {enabled: true, parentRefs: {}, hostnames: {}, filters: {}, annotations: [], additionalRules: {}}}`)
	for key := range strings.FieldsSeq(`affinity podAnnotations podLabels deploymentAnnotations nodeSelector resources strategy lifecycle
		securityContext containerSecurityContext livenessProbe serviceAnnotations serviceLabels serviceAccountLabels persistentVolumeLabels`) {
		values[key] = []any{}
	}
	for key := range strings.FieldsSeq(`extraArgs extraVars extraVolumes extraVolumeMounts extraContainers extraInitContainers extraManifests
		tolerations topologySpreadConstraints hostAliases imagePullSecrets`) {
		values[key] = map[string]any{}
	}
	objects(t, values)
}

// TestForms gives values in other forms than values.yaml has.
func TestForms(t *testing.T) {
	for _, c := range []struct{ values, object, path, want string }{
		{`podLabels: {version: 1.1, canary: true}`, "Deployment", "{.metadata.labels.version} {.spec.template.metadata.labels.canary}", "1.1 true"},
		{`podAnnotations: {size: 123456789}`, "Deployment", "{.spec.template.metadata.annotations.size}", "123456789"},
		{`serviceAnnotations: {redirect: false}`, "Service", "{.metadata.annotations.redirect}", "false"},
		{`nodeSelector: {ssd: true}`, "Deployment", "{.spec.template.spec.nodeSelector.ssd}", "true"},
		{`{runAsStatefulSet: true, persistentVolume: {enabled: true, annotations: {a: 1}}, persistentVolumeLabels: {b: 2}}`,
			"StatefulSet", "{.spec.volumeClaimTemplates[0].metadata.annotations.a} {.spec.volumeClaimTemplates[0].metadata.labels.b}", "1 2"},
		{`{ingress: {enabled: true, annotations: {ssl: true}}}`, "Ingress", "{.metadata.annotations.ssl}", "true"},
		{`extraVars: [{name: A, value: 100000000}, {name: B, value: true}, {name: C}, {name: D, value: "x: y"}]`, "Deployment", "{.spec.template.spec.containers[0].env[*].value}", "100000000 true x: y"},
		{`replicaCount: "2"`, "Deployment", "{.spec.replicas}", "2"},
		{`automountServiceAccountToken: "false"`, "ServiceAccount", "{.automountServiceAccountToken}", "false"},
		{`service: {type: NodePort, port: "80", targetPort: "9091", nodePort: "32100"}`, "Service", "{.spec.ports[0].port} {.spec.ports[0].targetPort} {.spec.ports[0].nodePort}", "80 9091 32100"},
	} {
		if got := at(t, find(objects(t, parse(t, c.values)), c.object), c.path); got != c.want {
			t.Errorf("%s: %s of the %s is %q, not %q", c.values, c.path, c.object, got, c.want)
		}
	}
	for _, key := range []string{"image", "service", "serviceAccount", "persistentVolume"} {
		if _, err := render("demo", "default", parse(t, key+": null")); err == nil || !strings.Contains(err.Error(), "missing property '"+key+"'") {
			t.Errorf("%s: null: %v", key, err)
		}
	}
}
