{{- define "nats.fullname" -}}
{{ printf "%s-nats" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "nats.namespace" -}}
{{ .Release.Namespace }}
{{- end }}

{{- define "nats.selector" -}}
app.kubernetes.io/name: nats
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "nats.labels" -}}
{{ include "nats.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "nats.metadata" -}}
name: {{ include "nats.fullname" . | quote }}
namespace: {{ include "nats.namespace" . | quote }}
labels: {{- include "nats.labels" . | nindent 2 }}
{{- end }}
