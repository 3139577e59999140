{{- /* What extraArgs of .root give the flag .name, with "=" before it; empty if they lack it. */ -}}
{{- define "pushgateway.flag" -}}
{{- $args := .root.Values.extraArgs | default list }}
{{- $flag := printf "--%s" .name }}
{{- range $i, $arg := $args }}
{{- if hasPrefix (printf "%s=" $flag) (toString $arg) }}{{ trimPrefix $flag $arg }}
{{- else if and (eq $flag (toString $arg)) (lt (add1 $i) (len $args)) }}={{ index $args (add1 $i) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The prefix of all paths, as the gateway takes it from its flags: empty, or like /gateway. */ -}}
{{- define "pushgateway.prefix" -}}
{{- $url := include "pushgateway.flag" (dict "root" . "name" "web.external-url") | trimPrefix "=" }}
{{- $path := regexReplaceAll "^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*|[?#].*$" $url "" }}
{{- $given := include "pushgateway.flag" (dict "root" . "name" "web.route-prefix") | trimPrefix "=" | default $path }}
{{- printf "/%s" $given | clean | trimSuffix "/" }}
{{- end }}

{{- /* The port of scrapes and health where extraArgs give them an address of their own; otherwise empty. */ -}}
{{- define "pushgateway.telemetryPort" -}}
{{- include "pushgateway.flag" (dict "root" . "name" "web.telemetry-listen-address") | regexFind ":[0-9]+\\s*$" | trim | trimPrefix ":" }}
{{- end }}

{{- /* .path behind the prefix, unless it is there already. */ -}}
{{- define "pushgateway.path" -}}
{{- $prefix := include "pushgateway.prefix" .root }}
{{- if hasPrefix (printf "%s/" $prefix) .path }}{{ .path }}{{ else }}{{ $prefix }}{{ .path }}{{ end }}
{{- end }}

{{- /* A quantity of Kubernetes, like 1.5Gi, as a number of MiB, rounded down. */ -}}
{{- define "pushgateway.mebibytes" -}}
{{- $units := dict "" 1.0 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 }}
{{- $unit := toString . | regexFind "[A-Za-z]*$" }}
{{- divf (mulf (toString . | trimSuffix $unit | float64) (get $units $unit)) 1048576.0 | floor | int64 }}
{{- end }}

{{- /*
Bounds on pushes that fit the container's limit of memory. An idle process takes
24 MiB, and pushes take up to one and a half of their bound. With half of the
rest as the bound, a quarter of the rest is left to the groups. Where the bound is
below 64 MiB a push may exceed it, so that the size of a push is bounded, too.
*/ -}}
{{- define "pushgateway.memoryArgs" -}}
{{- $limit := ((.Values.resources | default dict).limits).memory }}
{{- $inflight := include "pushgateway.flag" (dict "root" . "name" "push.max-inflight-bytes") }}
{{- $body := include "pushgateway.flag" (dict "root" . "name" "push.max-body-bytes") }}
{{- $file := (.Values.config | default dict).limits | default dict }}
{{- if and $limit (not $inflight) (not $body) (not $file.max_inflight_bytes) (not $file.max_body_bytes) }}
{{- $bound := div (sub (include "pushgateway.mebibytes" $limit | int64) 24) 2 | max 1 }}
{{- if lt $bound 512 }}
- --push.max-inflight-bytes={{ $bound }}MiB
{{- end }}
{{- if lt $bound 64 }}
- --push.max-body-bytes={{ div $bound 10 | max 1 }}MiB
{{- end }}
{{- end }}
{{- end }}

{{- /* All flags. Those of extraArgs win: the gateway refuses a flag that is given twice. */ -}}
{{- define "pushgateway.args" -}}
{{- $volume := .Values.persistentVolume }}
{{- if and $volume.enabled (not (include "pushgateway.flag" (dict "root" . "name" "persistence.file"))) }}
- --persistence.file={{ trimSuffix "/" $volume.mountPath }}/metrics.db
{{- end }}
{{- include "pushgateway.clusterArgs" . }}
{{- if and .Values.config (not (include "pushgateway.flag" (dict "root" . "name" "config.file"))) }}
- --config.file=/etc/pushgateway/config/config.yml
{{- end }}
{{- if and (include "pushgateway.webConfigSecret" .) (not (include "pushgateway.flag" (dict "root" . "name" "web.config.file"))) }}
- --web.config.file=/etc/config/web-config.yaml
{{- end }}
{{- include "pushgateway.memoryArgs" . }}
{{- range .Values.extraArgs }}
- {{ kindIs "string" . | ternary . (toJson .) | quote }}
{{- end }}
{{- end }}
