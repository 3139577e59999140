{{- define "pushgateway.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "pushgateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pushgateway.labels" -}}
{{ include "pushgateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "pushgateway.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* A probe that goes on working when the gateway wants a password. */ -}}
{{- define "pushgateway.probe" -}}
{{- if .root.Values.webConfigSecret }}
tcpSocket: {port: http}
{{- else }}
httpGet: {path: {{ .path }}, port: http}
{{- end }}
{{- end }}
