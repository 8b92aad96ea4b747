import Foundation
import YAMLFile

/// One object of a cluster, as kustomize renders it.
struct Manifest: CustomStringConvertible {
    /// The overlay from which it was rendered, for messages.
    let overlay: String
    let node: YAMLNode

    var kind: String { node["kind"]?.text ?? "" }
    var name: String { node["metadata", "name"]?.text ?? "" }
    var labels: [String: String] { node["metadata", "labels"]?.texts ?? [:] }
    var description: String { "\(overlay): \(kind)/\(name)" }

    /// The template of pods, in objects that make pods.
    var template: YAMLNode? { node["spec", "template"] }
    var pod: YAMLNode? { template?["spec"] }
    var podLabels: [String: String] { template?["metadata", "labels"]?.texts ?? [:] }
    var container: YAMLNode? { containers.first }
    var containers: [YAMLNode] {
        (pod?["initContainers"]?.sequence ?? []) + (pod?["containers"]?.sequence ?? [])
    }

    /// True if its pods do a work at their start, and then wait.
    var isOnce: Bool { pod?["initContainers"] != nil }

    var volumes: [YAMLNode] { pod?["volumes"]?.sequence ?? [] }
    var mounts: [YAMLNode] { containers.flatMap { $0["volumeMounts"]?.sequence ?? [] } }
    var ports: [YAMLNode] { containers.flatMap { $0["ports"]?.sequence ?? [] } }
    /// The variables that its first container has beside those of a ConfigMap.
    var variables: [YAMLNode] { container?["env"]?.sequence ?? [] }

    /// Returns the documents in the output of kustomize.
    static func documents(_ text: String, of overlay: String) throws -> [Manifest] {
        try (text.hasPrefix("---\n") ? String(text.dropFirst(4)) : text)
            .components(separatedBy: "\n---\n")
            .map { Manifest(overlay: overlay, node: try YAMLFile.parse(Array($0.utf8))) }
    }
}

extension YAMLNode {
    subscript(_ path: String...) -> YAMLNode? {
        path.reduce(Optional(self)) { node, key in
            node?.mapping?.first { $0.key == key }?.value
        }
    }

    var text: String? { scalar?.text }
    var integer: Int? { scalar?.integer.map(Int.init) }
    var boolean: Bool? { scalar?.boolean }
    /// Returns a mapping of single values.
    var texts: [String: String] {
        Dictionary(
            (mapping ?? []).map { ($0.key, $0.value.text ?? "") }, uniquingKeysWith: { $1 })
    }
    var list: [String] { (sequence ?? []).compactMap(\.text) }

    /// Returns whether a Kubernetes label selector matches these labels.
    func selects(_ labels: [String: String]) -> Bool {
        let given = self["matchLabels"]?.texts ?? [:]
        let expressions = self["matchExpressions"]?.sequence ?? []
        return given.allSatisfy { labels[$0.key] == $0.value }
            && expressions.allSatisfy { expression in
                guard expression["operator"]?.text == "In", let key = expression["key"]?.text,
                    let value = labels[key]
                else { return false }
                return expression["values"]?.list.contains(value) ?? false
            }
    }
}
