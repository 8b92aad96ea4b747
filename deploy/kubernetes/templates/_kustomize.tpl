{{/*
What kustomize does with base/, components/ and sources/, as far as they use it. A field or an operation
that is not known here is an error. `state` has the objects, the services, the settings (ConfigMaps) and the images.
*/}}

{{/* Takes the objects of a file: state, root, path. */}}
{{- define "tapeline.file" -}}
{{- $text := .root.Files.Get .path -}}
{{- if not $text }}{{ fail (printf "the chart has no file %s" .path) }}{{ end -}}
{{- range regexSplit "(?m)^---$" $text -1 -}}
{{- $object := fromYaml . -}}
{{- if hasKey $object "Error" }}{{ fail (printf "%s: %s" $.path $object.Error) }}{{ end -}}
{{- /* Helm itself makes the namespace, or it is there. */ -}}
{{- if and $object (ne (toString $object.kind) "Namespace") -}}
{{- $_ := set $.state "objects" (append $.state.objects $object) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes what a folder's kustomization.yaml says: state, root, folder. */}}
{{- define "tapeline.folder" -}}
{{- $said := .root.Files.Get (printf "%s/kustomization.yaml" .folder) | fromYaml -}}
{{- if not $said }}{{ fail (printf "the chart has no folder %s" .folder) }}{{ end -}}
{{- $known := splitList " " (print "apiVersion kind labels nameSuffix resources components generatorOptions "
  "configMapGenerator images patches replacements") -}}
{{- range $key, $_ := $said -}}
{{- if not (has $key $known) }}{{ fail (printf "the chart does not know %s of %s" $key $.folder) }}{{ end -}}
{{- end -}}
{{- range concat ($said.resources | default list) ($said.components | default list) -}}
{{- /* Beside the chart is what a link in it leads to. */ -}}
{{- $path := clean (printf "%s/%s" $.folder .) | trimPrefix "../" -}}
{{- if hasSuffix ".yaml" . -}}
{{- include "tapeline.file" (dict "state" $.state "root" $.root "path" $path) -}}
{{- else if contains "/services/" . -}}
{{- include "tapeline.defaults" (dict "state" $.state "root" $.root "service" (base .)) -}}
{{- else -}}
{{- include "tapeline.folder" (dict "state" $.state "root" $.root "folder" $path) -}}
{{- end -}}
{{- end -}}
{{- range $said.configMapGenerator -}}
{{- $data := get $.state.settings .name | default dict -}}
{{- range .literals -}}
{{- $pair := regexSplit "=" . 2 -}}
{{- $_ := set $data (first $pair) (last $pair) -}}
{{- end -}}
{{- range .files }}{{ $_ := set $data . ($.root.Files.Get (printf "%s/%s" $.folder .)) }}{{ end -}}
{{- $_ := set $.state.settings .name $data -}}
{{- end -}}
{{- range $said.images }}{{ $_ := set $.state.images .name . }}{{ end -}}
{{- range $said.patches -}}
{{- include "tapeline.patch" (dict "state" $.state "target" .target "operations" (fromYamlArray .patch)) -}}
{{- end -}}
{{- range $said.replacements }}{{ include "tapeline.replacement" (dict "state" $.state "said" .) }}{{ end -}}
{{- end -}}

{{/* Adds the pages of a further store to those that the cockpit asks: state, said. */}}
{{- define "tapeline.replacement" -}}
{{- $from := .said.source }}{{ $to := first .said.targets -}}
{{- $shape := list $from.fieldPath $to.select.kind $to.options.delimiter (toString $to.options.index) -}}
{{- if ne (join " " $shape) "metadata.annotations.pages ConfigMap , 99" -}}
{{- fail (printf "the chart does not know a replacement of %s" $from.fieldPath) -}}
{{- end -}}
{{- $data := get .state.settings $to.select.name }}{{ $key := first $to.fieldPaths | trimPrefix "data." -}}
{{- range $object := .state.objects -}}
{{- if and (eq $object.kind $from.kind) (eq $object.metadata.name $from.name) -}}
{{- $_ := set $data $key (printf "%s,%s" (get $data $key) $object.metadata.annotations.pages) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes the settings of a service's default.env: state, root, service. */}}
{{- define "tapeline.defaults" -}}
{{- $data := dict -}}
{{- range splitList "\n" (.root.Files.Get (printf "settings/%s.env" .service)) -}}
{{- if regexMatch "^[A-Z]" . -}}
{{- $pair := regexSplit "=" . 2 -}}
{{- $_ := set $data (first $pair) (last $pair) -}}
{{- end -}}
{{- end -}}
{{- $_ := set .state.settings .service $data -}}
{{- $_ := set .state "services" (append .state.services .service) -}}
{{- end -}}

{{/* Takes a source's folder: its objects have a name of their own. state, root, name. */}}
{{- define "tapeline.source" -}}
{{- $own := dict "objects" list "services" list "settings" dict "images" dict -}}
{{- $folder := printf "sources/%s" .name -}}
{{- include "tapeline.folder" (dict "state" $own "root" .root "folder" $folder) -}}
{{- $said := .root.Files.Get (printf "%s/kustomization.yaml" $folder) | fromYaml -}}
{{- range $object := $own.objects -}}
{{- $_ := set $object.metadata "name" (printf "%s%s" $object.metadata.name $said.nameSuffix) -}}
{{- $spec := $object.spec | default dict -}}
{{- $labelled := list $object.metadata.labels -}}
{{- if eq $object.kind "Service" -}}
{{- $labelled = append $labelled $spec.selector -}}
{{- end -}}
{{- range list $spec.selector $spec.podSelector -}}
{{- if . }}{{ if .matchLabels }}{{ $labelled = append $labelled .matchLabels }}{{ end }}{{ end -}}
{{- end -}}
{{- if eq $object.kind "StatefulSet" -}}
{{- $_ := set $spec "serviceName" (printf "%s%s" $spec.serviceName $said.nameSuffix) -}}
{{- $pod := $spec.template.spec -}}
{{- $_ := set $pod "serviceAccountName" (printf "%s%s" $pod.serviceAccountName $said.nameSuffix) -}}
{{- $labelled = append $labelled $spec.template.metadata.labels -}}
{{- range $spec.volumeClaimTemplates -}}
{{- $_ := set .metadata "labels" dict }}{{ $labelled = append $labelled .metadata.labels -}}
{{- end -}}
{{- range $pod.topologySpreadConstraints }}{{ $labelled = append $labelled .labelSelector.matchLabels }}{{ end -}}
{{- end -}}
{{- range $labels := $labelled -}}
{{- range $said.labels -}}
{{- range $name, $value := .pairs }}{{ $_ := set $labels $name $value }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set .state "objects" (concat .state.objects $own.objects) -}}
{{- end -}}

{{/* Applies operations to each object of a target: state, target, operations. */}}
{{- define "tapeline.patch" -}}
{{- range $object := .state.objects -}}
{{- $meant := true -}}
{{- range $key, $value := $.target -}}
{{- if eq $key "kind" -}}
{{- $meant = and $meant (regexMatch (printf "^(%s)$" $value) $object.kind) -}}
{{- else if eq $key "name" -}}
{{- $meant = and $meant (regexMatch (printf "^(%s)$" $value) $object.metadata.name) -}}
{{- else if eq $key "group" -}}
{{- $meant = and $meant (hasPrefix (printf "%s/" $value) $object.apiVersion) -}}
{{- else if eq $key "labelSelector" -}}
{{- $parts := regexSplit " ?(=|notin|in) ?" $value 2 -}}
{{- $wanted := regexSplit ", *" (trimAll "()" (last $parts)) -1 -}}
{{- $is := has (get ($object.metadata.labels | default dict) (first $parts) | toString) $wanted -}}
{{- $meant = and $meant (ne $is (contains " notin " $value)) -}}
{{- else }}{{ fail (printf "the chart does not know %s of a target" $key) }}{{ end -}}
{{- end -}}
{{- if $meant -}}
{{- range $.operations }}{{ include "tapeline.operation" (dict "object" $object "operation" .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Applies an operation of a JSON patch: object, operation. */}}
{{- define "tapeline.operation" -}}
{{- $op := .operation.op -}}
{{- $where := printf "%s %s of %s/%s" $op .operation.path .object.kind .object.metadata.name -}}
{{- $keys := list -}}
{{- range splitList "/" (trimPrefix "/" .operation.path) -}}
{{- $keys = append $keys (. | replace "~1" "/" | replace "~0" "~") -}}
{{- end -}}
{{- /* The last map on the way, and its key of the list on the way. */ -}}
{{- $map := dict }}{{ $held := "" }}{{ $at := .object -}}
{{- range initial $keys -}}
{{- if kindIs "map" $at -}}
{{- if not (hasKey $at .) }}{{ fail (printf "%s: there is no %s" $where .) }}{{ end -}}
{{- $map = $at }}{{ $held = . }}{{ $at = get $at . -}}
{{- else }}{{ $at = index $at (atoi .) }}{{ end -}}
{{- end -}}
{{- $key := last $keys -}}
{{- if kindIs "slice" $at -}}
{{- if or (ne $op "add") (ne $key "-") }}{{ fail (printf "%s: a list can only be added to, by -" $where) }}{{ end -}}
{{- $_ := set $map $held (append $at (deepCopy .operation.value)) -}}
{{- else if and (ne $op "add") (not (hasKey $at $key)) -}}
{{- fail (printf "%s: there is no such field" $where) -}}
{{- else if or (eq $op "add") (eq $op "replace") -}}
{{- $value := .operation.value -}}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) }}{{ $value = deepCopy $value }}{{ end -}}
{{- $_ := set $at $key $value -}}
{{- else if eq $op "remove" -}}
{{- $_ := unset $at $key -}}
{{- else }}{{ fail (printf "%s: not known" $where) }}{{ end -}}
{{- end -}}
