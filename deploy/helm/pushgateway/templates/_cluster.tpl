{{- /* The NATS servers, separated by commas; empty if the gateway keeps its groups itself. */ -}}
{{- define "pushgateway.cluster" -}}
{{- $urls := (.Values.cluster | default dict).urls | default list }}
{{- if $urls }}{{ join "," $urls }}
{{- else if (.Values.nats | default dict).enabled }}nats://{{ printf "%s-nats" .Release.Name | trunc 63 | trimSuffix "-" }}.{{ .Release.Namespace }}:4222
{{- end }}
{{- end }}

{{- /* Flags of a gateway in a cluster. */ -}}
{{- define "pushgateway.clusterArgs" -}}
{{- $root := . }}
{{- with include "pushgateway.cluster" . }}
{{- $cluster := $root.Values.cluster | default dict }}
{{- if or $root.Values.persistentVolume.enabled (include "pushgateway.flag" (dict "root" $root "name" "persistence.file")) }}
{{- fail "groups are kept in a cluster or in a file, not in both: leave out persistentVolume and --persistence.file, or cluster.urls and nats.enabled" }}
{{- end }}
{{- if not (include "pushgateway.flag" (dict "root" $root "name" "cluster.url")) }}
- {{ printf "--cluster.url=%s" . | quote }}
{{- end }}
{{- if not (include "pushgateway.flag" (dict "root" $root "name" "cluster.stream")) }}
- {{ printf "--cluster.stream=%s" ($cluster.stream | default "PUSHGATEWAY") | quote }}
{{- end }}
{{- if not (include "pushgateway.flag" (dict "root" $root "name" "cluster.replicas")) }}
- --cluster.replicas={{ $cluster.replicas | default 3 }}
{{- end }}
{{- range include "pushgateway.clusterSecrets" $root | fromYamlArray }}
{{- if not (include "pushgateway.flag" (dict "root" $root "name" .flag)) }}
- --{{ .flag }}=/etc/pushgateway/{{ .volume }}/user.creds
{{- end }}
{{- end }}
{{- if not (include "pushgateway.flag" (dict "root" $root "name" "cluster.advertise-address")) }}
- --cluster.advertise-address=$(POD_IP):{{ include "pushgateway.telemetryPort" $root | default (regexMatch "^[0-9]+$" (toString $root.Values.service.targetPort) | ternary $root.Values.service.targetPort 9091) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The secrets with credentials of a gateway in a cluster: the volume, and the flag that names its file. */ -}}
{{- define "pushgateway.clusterSecrets" -}}
{{- if include "pushgateway.cluster" . }}
{{- with (.Values.cluster | default dict).credentialsSecret }}
- {volume: nats-credentials, secret: {{ . | quote }}, flag: cluster.credentials-file}
{{- end }}
{{- with (.Values.cluster | default dict).systemCredentialsSecret }}
- {volume: nats-system-credentials, secret: {{ . | quote }}, flag: cluster.system-credentials-file}
{{- end }}
{{- end }}
{{- end }}

{{- /* How a Deployment is replaced: one pod after the other if they share their groups. */ -}}
{{- define "pushgateway.strategy" -}}
{{- $given := .Values.strategy | default dict }}
{{- if and (include "pushgateway.cluster" .) (eq "Recreate" ($given.type | default "")) }}
type: RollingUpdate
rollingUpdate:
  maxUnavailable: 1
  maxSurge: 1
{{- else if $given }}
{{ toYaml $given }}
{{- end }}
{{- end }}
