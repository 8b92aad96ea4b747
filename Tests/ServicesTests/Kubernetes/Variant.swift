import Foundation
import TestSupport

/// An overlay that a person has changed, in a copy of kustomize's files.
struct Variant {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder("variant")
        let files = FileManager.default
        let services = try files.contentsOfDirectory(atPath: "\(ServerPrograms.checkout)/services")
            .map { "services/\($0)" }
        let read =
            ["kubernetes", "keda", "alertmanager", "nats", "valkey", "compose", "local"].map {
                "deploy/\($0)"
            }
            + services.flatMap { ["\($0)/kustomization.yaml", "\($0)/default.env"] }
        for path in read {
            let source = "\(ServerPrograms.checkout)/\(path)", copy = folder.file(path)
            guard files.fileExists(atPath: source) else { continue }
            try files.createDirectory(
                atPath: (copy as NSString).deletingLastPathComponent,
                withIntermediateDirectories: true)
            try files.copyItem(atPath: source, toPath: copy)
        }
    }

    /// Replaces a piece of a file. The file must contain it.
    func replace(_ piece: String, by other: String, in path: String) throws {
        let text = try String(contentsOfFile: folder.file(path), encoding: .utf8)
        guard let place = text.range(of: piece) else { throw Missing(piece: piece, path: path) }
        try folder.write(text.replacingCharacters(in: place, with: other), to: path)
    }

    /// Adds a component before all others of an overlay, as its comments instruct.
    func add(_ component: String, to overlay: String) throws {
        try replace(
            "\ncomponents:\n", by: "\ncomponents:\n  - \(component)\n",
            in: "\(Rendered.folder)/\(overlay)/kustomization.yaml")
    }

    /// Adds a component after all others of an overlay.
    func addLast(_ component: String, to overlay: String) throws {
        let path = "\(Rendered.folder)/\(overlay)/kustomization.yaml"
        let text = try String(contentsOfFile: folder.file(path), encoding: .utf8)
        guard let list = text.range(of: "\ncomponents:\n"),
            let end = text.range(of: "\n\n", range: list.upperBound..<text.endIndex)
        else { throw Missing(piece: "components", path: path) }
        try folder.write(
            text.replacingCharacters(in: end, with: "\n  - \(component)\n\n"), to: path)
    }

    private func addSources(to overlay: String) throws {
        let folders = try ListedSource.beside().keys.sorted().map { ", ../../sources/\($0)" }
        try replace(
            "resources: [../../base]\n", by: "resources: [../../base\(folders.joined())]\n",
            in: "\(Rendered.folder)/\(overlay)/kustomization.yaml")
    }

    func write(_ text: String, to path: String) throws { try folder.write(text, to: path) }

    func render(_ overlay: String) throws -> Rendered {
        let path = folder.file("\(Rendered.folder)/\(overlay)")
        let text = try run(ServerPrograms.kustomize, ["build", path])
        return Rendered(
            overlay: overlay, text: text, manifests: try Manifest.documents(text, of: overlay))
    }

    struct Missing: Error, CustomStringConvertible {
        let piece: String
        let path: String
        var description: String { "\(path) does not say: \(piece)" }
    }

    /// Renders the tool's pod with a gateway's claim, as a person patches it.
    static func withSpool() throws -> Rendered {
        let variant = try Variant()
        try variant.replace(
            "\nlabels:\n", by: "\npatches:\n  - path: spool.yaml\nlabels:\n",
            in: "\(Rendered.folder)/production/kustomization.yaml")
        // kustomize reads only files of the overlay's own folder.
        let patch = try String(
            contentsOfFile: variant.folder.file("deploy/kubernetes/spool.yaml"), encoding: .utf8)
        try variant.write(patch, to: "\(Rendered.folder)/production/spool.yaml")
        return try variant.render("production")
    }

    /// Renders an overlay with the component for a Prometheus that requires a token, as its comment
    /// instructs.
    static func withToken() throws -> Rendered {
        let variant = try Variant()
        let component = "../../../keda/prometheus-bearer"
        try variant.replace(
            "  # If Prometheus requires a token, add after it: \(component)",
            by: "  - \(component)",
            in: "\(Rendered.folder)/production-keda-prometheus/kustomization.yaml")
        return try variant.render("production-keda-prometheus")
    }

    /// Renders an overlay in which people act in the cockpit.
    static func withActions(_ overlay: String) throws -> Rendered {
        let variant = try Variant()
        try variant.add("../../components/actions", to: overlay)
        return try variant.render(overlay)
    }

    /// Renders production with the gateways of all sources of `deploy/sources.json`.
    static func withSources() throws -> Rendered {
        let variant = try Variant()
        try variant.addSources(to: "production")
        return try variant.render("production")
    }

    /// Renders an overlay with an Alertmanager of its own.
    static func withAlerts() throws -> Rendered {
        let variant = try Variant()
        try variant.add("../../components/alerts", to: "production")
        return try variant.render("production")
    }

    /// Renders production with a collector of traces.
    static func withTraces() throws -> Rendered {
        let variant = try Variant()
        try variant.addSources(to: "production")
        try variant.add("../../components/traces", to: "production")
        return try variant.render("production")
    }

    /// Renders production with a database by CloudNativePG, as README.md instructs, and with people
    /// who act.
    static func withDatabase() throws -> Rendered {
        let variant = try Variant()
        try variant.add("../../components/actions", to: "production")
        try variant.replace(
            "  - ../../components/production\n",
            by: "  - ../../components/production\n  - ../../components/cloudnative-pg\n",
            in: "\(Rendered.folder)/production/kustomization.yaml")
        return try variant.render("production")
    }

    /// Renders an overlay with second stores, by their components, after the servers where it has
    /// them, and in production with a database by CloudNativePG if it is wanted.
    static func withStore(
        _ components: String..., on overlay: String = "production",
        byCloudNativePG isClustered: Bool = false
    ) throws -> Rendered {
        let variant = try Variant()
        let servers = "  - ../../components/servers\n",
            production = "  - ../../components/production\n"
        let lines = components.map { "  - ../../components/\($0)\n" }.joined()
        let isTrial = overlay == "development"
        let cluster = isClustered ? "  - ../../components/cloudnative-pg\n" : ""
        try variant.replace(
            isTrial ? servers : production,
            by: isTrial ? servers + lines : lines + production + cluster,
            in: "\(Rendered.folder)/\(overlay)/kustomization.yaml")
        return try variant.render(overlay)
    }

    /// Renders an overlay, with people who act and with all sources, in another namespace.
    static func inNamespace(_ space: String, _ overlay: String) throws -> Rendered {
        let variant = try Variant()
        try variant.add("../../components/actions", to: overlay)
        try variant.addSources(to: overlay)
        try variant.replace(
            "\nnamespace: tapeline\n", by: "\nnamespace: \(space)\n",
            in: "\(Rendered.folder)/\(overlay)/kustomization.yaml")
        return try variant.render(overlay)
    }
}
