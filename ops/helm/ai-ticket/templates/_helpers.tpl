{{- define "ai-ticket.name" -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- $full | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "ai-ticket.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ai-ticket.labels" -}}
{{ include "ai-ticket.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "ai-ticket.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "ai-ticket.trustProxyCount" -}}
{{ if kindIs "invalid" .Values.trustProxyCount }}{{ ternary 1 0 .Values.ingress.enabled }}{{ else }}{{ .Values.trustProxyCount }}{{ end }}
{{- end }}
