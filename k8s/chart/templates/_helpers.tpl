{{- define "sluice.name" -}}
{{- if contains "sluice" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-sluice" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "sluice.secret" -}}
{{- .Values.existingSecret | default (printf "%s-secrets" (include "sluice.name" .)) }}
{{- end }}

{{/* Of everything; part: gateway, core, store, rest, setup. */}}
{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}
{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sluice
{{- end }}

{{- define "sluice.image" -}}
{{- printf "%ssluice-%s:%s" .root.Values.image.registry .image (.root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}

{{- define "sluice.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "sluice.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What every pod of a program has in common, above its containers. */}}
{{- define "sluice.podSpec" -}}
{{- $v := index .root.Values .part -}}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ $v.terminationGracePeriodSeconds }}
securityContext:
  {{- include "sluice.podSecurity" .root | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $v.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sluice.selector" . | nindent 8 }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sluice.selector" . | nindent 8 }}
{{- end }}

{{/* Liveness never asks about peers: a program whose peer is down must not be restarted for it. */}}
{{- define "sluice.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: probes}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 300
livenessProbe:
  httpGet: {path: /livez, port: probes}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: probes}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* Settings of a part as SLUICE_<NAME>, those of values last; given: a dict of the chart's own. */}}
{{- define "sluice.env" -}}
- name: SLUICE_INSTANCE
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: SLUICE_CLUSTER_SECRET_FILE
  value: /run/secrets/sluice/cluster-secret
{{- $all := dict "log-level" .root.Values.logLevel "log-format" "json" }}
{{- if .root.Values.clusterTls.secretName }}
{{- $all = merge (dict "cluster-ca" "/run/secrets/cluster-tls/ca.crt" "cluster-cert" "/run/secrets/cluster-tls/tls.crt" "cluster-key" "/run/secrets/cluster-tls/tls.key") $all }}
{{- end }}
{{- $all = merge (index .root.Values .part).settings .given $all }}
{{- range $name, $value := $all }}
- name: SLUICE_{{ $name | upper | replace "-" "_" }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}

{{- define "sluice.mounts" -}}
- {name: secrets, mountPath: /run/secrets/sluice, readOnly: true}
{{- if .Values.clusterTls.secretName }}
- {name: cluster-tls, mountPath: /run/secrets/cluster-tls, readOnly: true}
{{- end }}
{{- end }}
{{/* keys: of the Secret that this part may see. */}}
{{- define "sluice.volumes" -}}
- name: secrets
  secret:
    secretName: {{ include "sluice.secret" .root }}
    defaultMode: 0440
    items:
      {{- range .keys }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- if .root.Values.clusterTls.secretName }}
- name: cluster-tls
  secret: {secretName: {{ .root.Values.clusterTls.secretName }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "sluice.cores" -}}
{{- $name := include "sluice.name" . -}}
{{- range $i := until (int .Values.core.replicas) }}{{ if $i }},{{ end }}{{ $name }}-core-{{ $i }}.{{ $name }}-core:7201{{ end }}
{{- end }}
{{- define "sluice.stores" -}}
{{- $name := include "sluice.name" . -}}
{{- range $i := until (int (add .Values.store.shards .Values.store.spares)) }}{{ if $i }},{{ end }}{{ $name }}-store-{{ $i }}.{{ $name }}-store:7301{{ end }}
{{- end }}
