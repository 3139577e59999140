{{- define "pushgateway.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The name of most objects: that of the release, which has the chart's added if it lacks it. */ -}}
{{- define "pushgateway.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name }}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "pushgateway.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "pushgateway.chart" -}}
{{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "pushgateway.selector" -}}
app.kubernetes.io/name: {{ include "pushgateway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "pushgateway.ownLabels" -}}
helm.sh/chart: {{ include "pushgateway.chart" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Labels of every object. Values may replace some, but not those that selectors need. */ -}}
{{- define "pushgateway.labels" -}}
{{- $selector := include "pushgateway.selector" . | fromYaml }}
{{- $own := include "pushgateway.ownLabels" . | fromYaml }}
{{- merge $selector (.Values.podLabels | default dict) $own | include "pushgateway.strings" }}
{{- end }}

{{- /* A map of labels or annotations: Kubernetes takes strings alone, and YAML makes numbers and booleans of some. */ -}}
{{- define "pushgateway.strings" -}}
{{- $all := dict }}
{{- range $key, $value := . }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $all $key (kindIs "string" $value | ternary $value (toJson $value)) }}
{{- end }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{- /* Metadata of .root's object, with what is given of .suffix (of its name), .namespace, .labels and .annotations. */ -}}
{{- define "pushgateway.metadata" -}}
{{- $labels := include "pushgateway.labels" .root | fromYaml -}}
name: {{ list (include "pushgateway.fullname" .root) (.suffix | default "") | join "-" | trimSuffix "-" | quote }}
namespace: {{ .namespace | default (include "pushgateway.namespace" .root) | quote }}
labels: {{- merge (dict) (.labels | default dict) $labels | include "pushgateway.strings" | nindent 2 }}
{{- with .annotations }}
annotations: {{- include "pushgateway.strings" . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "pushgateway.serviceAccountName" -}}
{{- $own := .Values.serviceAccount.create | ternary (include "pushgateway.fullname" .) "default" }}
{{- .Values.serviceAccount.name | default $own }}
{{- end }}

{{- define "pushgateway.image" -}}
{{- $registry := (.Values.global).imageRegistry | default .Values.image.registry }}
{{- with $registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* Each is {name: …} or a name alone. */ -}}
{{- define "pushgateway.imagePullSecrets" -}}
{{- range concat (.Values.imagePullSecrets | default list) ((.Values.global).imagePullSecrets | default list) }}
- name: {{ kindIs "string" . | ternary . (get (kindIs "string" . | ternary dict .) "name") | quote }}
{{- end }}
{{- end }}

{{- /* The secret that has web-config.yaml; empty if there is none. */ -}}
{{- define "pushgateway.webConfigSecret" -}}
{{- $web := .Values.webConfiguration | default dict }}
{{- with ($web.existingSecret).name }}{{ . }}
{{- else }}{{ with $web.basicAuthUsers }}{{ include "pushgateway.fullname" $ }}{{ end }}
{{- end }}
{{- end }}
