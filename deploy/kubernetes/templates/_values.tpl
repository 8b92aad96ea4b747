{{/* What the values say of objects and settings: state, root. */}}
{{- define "tapeline.values" -}}
{{- $values := .root.Values -}}
{{- range $data := .state.settings -}}
{{- range $key, $value := $data -}}
{{- $_ := set $data $key (replace ".monitoring.svc:" (printf ".%s.svc:" $values.namespaces.monitoring) $value) -}}
{{- end -}}
{{- end -}}
{{- range $service, $settings := $values.settings -}}
{{- include "tapeline.settings" (dict "state" $.state "root" $.root "service" $service "settings" $settings) -}}
{{- end -}}
{{- if $values.instruments -}}
{{- if not (hasKey .state.settings "instruments") -}}
{{- fail "instruments: only the component production has a list" -}}
{{- end -}}
{{- $_ := set .state.settings "instruments" (dict "instruments.yaml" $values.instruments) -}}
{{- end -}}
{{- $names := dict -}}
{{- range $object := .state.objects -}}
{{- $is := eq $object.kind "Deployment" "StatefulSet" | ternary "pods" $object.kind -}}
{{- $name := printf "%s %s" $is $object.metadata.name -}}
{{- if hasKey $names $name }}{{ fail (printf "%s is there twice: name a component or source once" $name) }}{{ end -}}
{{- $_ := set $names $name true -}}
{{- $_ := set $object.metadata "namespace" $.root.Release.Namespace -}}
{{- include "tapeline.label" $object.metadata -}}
{{- if eq $is "pods" -}}
{{- include "tapeline.pods" (dict "state" $.state "root" $.root "object" $object) -}}
{{- else if eq $is "NetworkPolicy" "RoleBinding" "ScaledObject" -}}
{{- include "tapeline.peers" (dict "root" $.root "object" $object) -}}
{{- end -}}
{{- end -}}
{{- range $field, $is := dict "replicas" "pods" "resources" "pods" "egress" "NetworkPolicy" -}}
{{- range $name, $_ := get $values $field -}}
{{- if not (hasKey $names (printf "%s %s" $is $name)) }}{{ fail (printf "%s: there is no %s" $field $name) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $values.patches -}}
{{- include "tapeline.patch" (dict "state" $.state "target" .target "operations" .patch) -}}
{{- end -}}
{{- end -}}

{{/* Labels metadata. */}}
{{- define "tapeline.label" -}}
{{- $_ := set . "labels" (set (.labels | default dict) "app.kubernetes.io/part-of" "tapeline") -}}
{{- end -}}

{{/* Puts settings into a service, or into all that have them: state, root, service, settings. */}}
{{- define "tapeline.settings" -}}
{{- $all := eq .service "all" -}}
{{- range $key, $value := .settings -}}
{{- /* Helm's numbers are floating. */ -}}
{{- if kindIs "float64" $value }}{{ $value = int64 $value }}{{ end -}}
{{- $is := false -}}
{{- range $service := $all | ternary $.state.services (list $.service) -}}
{{- $data := get $.state.settings $service -}}
{{- /* default.env does not name the files of passwords. */ -}}
{{- if or (hasKey $data $key) (hasKey $data (trimSuffix "_FILE" $key)) -}}
{{- $is = true -}}
{{- /* What is said to a service counts more than what is said to all. */ -}}
{{- if not (and $all (hasKey (get $.root.Values.settings $service) $key)) -}}
{{- $_ := set $data $key (toString $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $is }}{{ fail (printf "settings.%s: there is no setting %s" $.service $key) }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* What the values say of pods: state, root, object. */}}
{{- define "tapeline.pods" -}}
{{- $values := .root.Values }}{{ $name := .object.metadata.name -}}
{{- $spec := .object.spec }}{{ $pod := $spec.template.spec -}}
{{- include "tapeline.label" $spec.template.metadata -}}
{{- if hasKey $values.replicas $name -}}
{{- if not (hasKey $spec "replicas") }}{{ fail (printf "replicas: a scaler sets those of %s" $name) }}{{ end -}}
{{- $_ := set $spec "replicas" (get $values.replicas $name) -}}
{{- end -}}
{{- with get $values.resources $name }}{{ $_ := set (first $pod.containers) "resources" . }}{{ end -}}
{{- range $key, $value := $values.pod }}{{ $_ := set $pod $key $value }}{{ end -}}
{{- range concat $pod.containers ($pod.initContainers | default list) -}}
{{- $own := trimSuffix ":latest" .image -}}
{{- if hasPrefix "tapeline/" $own -}}
{{- $made := get $.state.images $own | default dict -}}
{{- $where := $made.newName | default $own -}}
{{- if $values.image.registry }}{{ $where = printf "%s/%s" $values.image.registry $own }}{{ end -}}
{{- $which := printf ":%s" ($values.image.tag | default $made.newTag | default "latest") -}}
{{- if and $made.digest (not $values.image.tag) }}{{ $which = printf "@%s" $made.digest }}{{ end -}}
{{- $_ := set . "image" (printf "%s%s" $where $which) -}}
{{- end -}}
{{- end -}}
{{- range $pod.volumes -}}
{{- if eq (dig "secret" "secretName" "" .) "tapeline-passwords" -}}
{{- $_ := set .secret "secretName" $values.secret -}}
{{- end -}}
{{- end -}}
{{- range $spec.volumeClaimTemplates -}}
{{- include "tapeline.label" .metadata -}}
{{- if $values.storage.size }}{{ $_ := set .spec.resources.requests "storage" $values.storage.size }}{{ end -}}
{{- if $values.storage.className }}{{ $_ := set .spec "storageClassName" $values.storage.className }}{{ end -}}
{{- end -}}
{{- /* Changed settings restart the pods that read them, as another name of a ConfigMap does. */ -}}
{{- $read := list -}}
{{- range regexFindAll "\"configMap(Key)?(Ref)?\":{[^}]*}" (toJson $pod) -1 -}}
{{- $map := regexFind "\"name\":\"[^\"]*" . | trimPrefix "\"name\":\"" -}}
{{- /* A gateway reads its instruments again by SIGHUP. */ -}}
{{- if and (ne $map "instruments") (hasKey $.state.settings $map) -}}
{{- $read = append $read (get $.state.settings $map) -}}
{{- end -}}
{{- end -}}
{{- if $read -}}
{{- $noted := $spec.template.metadata.annotations | default dict -}}
{{- $noted = set $noted "tapeline/settings" (toJson $read | sha256sum | trunc 16) -}}
{{- $_ := set $spec.template.metadata "annotations" $noted -}}
{{- end -}}
{{- end -}}

{{/* Names the namespaces of others, and addresses: root, object. */}}
{{- define "tapeline.peers" -}}
{{- $values := .root.Values }}{{ $text := toJson .object -}}
{{- /* In two steps, because one name may be the shipped one of another. */ -}}
{{- range $shipped, $_ := $values.namespaces -}}
{{- $text = $text | replace (printf "\"%s\"" $shipped) (printf "\"<%s>\"" $shipped) -}}
{{- $text = $text | replace (printf ".%s.svc:" $shipped) (printf ".<%s>.svc:" $shipped) -}}
{{- end -}}
{{- range $shipped, $name := $values.namespaces }}{{ $text = replace (printf "<%s>" $shipped) $name $text }}{{ end -}}
{{- $changed := $text | replace ".tapeline.svc:" (printf ".%s.svc:" .root.Release.Namespace) | fromJson -}}
{{- if hasKey $values.egress .object.metadata.name -}}
{{- range $changed.spec.egress }}{{ $_ := set . "to" (get $values.egress $.object.metadata.name) }}{{ end -}}
{{- end -}}
{{- range $key, $value := $changed }}{{ $_ := set $.object $key $value }}{{ end -}}
{{- end -}}
