{{- /* The template of pods, for a Deployment and a StatefulSet. */ -}}
{{- define "pushgateway.pod" -}}
metadata:
  labels: {{- include "pushgateway.labels" . | nindent 4 }}
  {{- with .Values.podAnnotations }}
  annotations: {{- include "pushgateway.strings" . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "pushgateway.serviceAccountName" . | quote }}
  automountServiceAccountToken: {{ .Values.automountServiceAccountToken }}
  terminationGracePeriodSeconds: 45 # requests under way are finished, for up to 30 s
  {{- with include "pushgateway.imagePullSecrets" . }}
  imagePullSecrets: {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.securityContext }}
  securityContext: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  initContainers: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "pushgateway.container" . | indent 6 | trim }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- include "pushgateway.strings" . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "pushgateway.affinity" . | fromYaml }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with include "pushgateway.volumes" . | trim }}
  volumes: {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* Variables of the environment, whose values are strings, too. */ -}}
{{- define "pushgateway.variables" -}}
{{- range . }}
{{- $value := get . "value" }}
{{- if not (or (kindIs "string" $value) (kindIs "invalid" $value)) }}
- {{ set (deepCopy .) "value" (toJson $value) | toYaml | indent 2 | trim }}
{{- else }}
- {{ toYaml . | indent 2 | trim }}
{{- end }}
{{- end }}
{{- end }}

{{- define "pushgateway.container" -}}
name: pushgateway
image: {{ include "pushgateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with include "pushgateway.args" . | trim }}
args: {{- . | nindent 2 }}
{{- end }}
{{- $clustered := include "pushgateway.cluster" . }}
{{- if or $clustered .Values.extraVars }}
env:
  {{- if $clustered }}
  - name: POD_IP
    valueFrom:
      fieldRef: {fieldPath: status.podIP}
  {{- end }}
  {{- with .Values.extraVars }}
  {{- include "pushgateway.variables" . | nindent 2 }}
  {{- end }}
{{- end }}
ports:
  - name: metrics
    containerPort: {{ regexMatch "^[0-9]+$" (toString .Values.service.targetPort) | ternary .Values.service.targetPort 9091 }}
    protocol: TCP
{{- with include "pushgateway.telemetryPort" . }}
  - name: telemetry
    containerPort: {{ . }}
    protocol: TCP
{{- end }}
{{- if (.Values.liveness).enabled }}
{{- with .Values.livenessProbe | default .Values.liveness.probe }}
livenessProbe: {{- include "pushgateway.probe" (dict "root" $ "probe" .) | nindent 2 }}
{{- end }}
{{- end }}
{{- if (.Values.readiness).enabled }}
{{- with .Values.readinessProbe | default .Values.readiness.probe }}
readinessProbe: {{- include "pushgateway.probe" (dict "root" $ "probe" .) | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.lifecycle }}
lifecycle: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.containerSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: storage-volume
    mountPath: {{ .Values.persistentVolume.mountPath | quote }}
    {{- with .Values.persistentVolume.subPath }}
    subPath: {{ . | quote }}
    {{- end }}
  {{- if .Values.config }}
  - name: config
    mountPath: /etc/pushgateway/config
    readOnly: true
  {{- end }}
  {{- if include "pushgateway.webConfigSecret" . }}
  - name: web-config
    mountPath: /etc/config
    readOnly: true
  {{- end }}
  {{- range include "pushgateway.clusterSecrets" . | fromYamlArray }}
  - name: {{ .volume }}
    mountPath: /etc/pushgateway/{{ .volume }}
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /*
.probe of .root. With passwords in values it logs in. With a web configuration
that the chart cannot read it looks whether the port is open.
*/ -}}
{{- define "pushgateway.probe" -}}
{{- $probe := deepCopy .probe }}
{{- $telemetry := include "pushgateway.telemetryPort" .root }}
{{- range list "httpGet" "tcpSocket" }}
{{- with get $probe . }}
{{- if and $telemetry (has (toString .port) (list "9091" "metrics" (toString $.root.Values.service.targetPort))) }}
{{- $_ := set . "port" (int $telemetry) }}
{{- end }}
{{- end }}
{{- end }}
{{- $web := .root.Values.webConfiguration | default dict }}
{{- with $probe.httpGet }}
{{- $plain := and (not .httpHeaders) (ne (upper (.scheme | default "HTTP")) "HTTPS") }}
{{- $ownFile := include "pushgateway.flag" (dict "root" $.root "name" "web.config.file") }}
{{- if or $probe.exec $probe.tcpSocket $probe.grpc }}
{{- $_ := unset $probe "httpGet" }}
{{- else if or ($web.existingSecret).name (and $ownFile $plain) }}
{{- $_ := unset $probe "httpGet" }}
{{- $_ := set $probe "tcpSocket" (dict "port" .port) }}
{{- else }}
{{- $_ := set . "path" (include "pushgateway.path" (dict "root" $.root "path" .path)) }}
{{- with include "pushgateway.login" $.root }}
{{- $header := dict "name" "Authorization" "value" (printf "Basic %s" (b64enc .)) }}
{{- $_ := set $probe.httpGet "httpHeaders" (append ($probe.httpGet.httpHeaders | default list) $header) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $probe }}
{{- end }}

{{- /* user:password of one of the users in values; empty if there is none. */ -}}
{{- define "pushgateway.login" -}}
{{- with (.Values.webConfiguration).basicAuthUsers }}
{{- $user := keys . | sortAlpha | first }}
{{- printf "%s:%v" $user (get . $user) }}
{{- end }}
{{- end }}

{{- define "pushgateway.affinity" -}}
{{- $term := dict "topologyKey" .Values.podAntiAffinityTopologyKey "labelSelector" (dict "matchLabels" (include "pushgateway.selector" . | fromYaml)) }}
{{- $apart := dict }}
{{- if eq "hard" (.Values.podAntiAffinity | default "") }}
{{- $apart = dict "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $term)) }}
{{- else if eq "soft" (.Values.podAntiAffinity | default "") }}
{{- $apart = dict "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "podAffinityTerm" $term))) }}
{{- end }}
{{- merge (dict) (.Values.affinity | default dict) $apart | toYaml }}
{{- end }}

{{- define "pushgateway.volumes" -}}
{{- $volume := .Values.persistentVolume }}
{{- if not $volume.enabled }}
- name: storage-volume
  emptyDir: {{- toYaml ($volume.emptyDir | default dict) | nindent 4 }}
{{- else if or $volume.existingClaim (not .Values.runAsStatefulSet) }}
- name: storage-volume
  persistentVolumeClaim:
    claimName: {{ $volume.existingClaim | default (include "pushgateway.fullname" .) | quote }}
{{- end }}
{{- if .Values.config }}
- name: config
  secret:
    secretName: {{ printf "%s-config" (include "pushgateway.fullname" .) | quote }}
{{- end }}
{{- with include "pushgateway.webConfigSecret" . }}
- name: web-config
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- range include "pushgateway.clusterSecrets" . | fromYamlArray }}
- name: {{ .volume }}
  secret:
    secretName: {{ .secret | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* What the chart asks of storage, for a claim or a StatefulSet's template of claims. */ -}}
{{- define "pushgateway.claim" -}}
{{- with .Values.persistentVolume -}}
accessModes: {{- toYaml .accessModes | nindent 2 }}
{{- with .storageClass }}
storageClassName: {{ ternary "" . (eq "-" .) | quote }}
{{- end }}
resources:
  requests:
    storage: {{ .size | quote }}
{{- end }}
{{- end }}
