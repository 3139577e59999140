{{- /* Names that extraManifests written for the community's chart include. */ -}}
{{- define "prometheus-pushgateway.name" }}{{ include "pushgateway.name" . }}{{ end }}
{{- define "prometheus-pushgateway.fullname" }}{{ include "pushgateway.fullname" . }}{{ end }}
{{- define "prometheus-pushgateway.namespace" }}{{ include "pushgateway.namespace" . }}{{ end }}
{{- define "prometheus-pushgateway.chart" }}{{ include "pushgateway.chart" . }}{{ end }}
{{- define "prometheus-pushgateway.labels" }}{{ include "pushgateway.labels" . }}{{ end }}
{{- define "prometheus-pushgateway.selectorLabels" }}{{ include "pushgateway.selector" . }}{{ end }}
{{- define "prometheus-pushgateway.serviceAccountName" }}{{ include "pushgateway.serviceAccountName" . }}{{ end }}
