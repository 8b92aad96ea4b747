import Foundation
import TestSupport
import Testing

/// The component for an upgrade that raises `OPERATOR_GENERATION`, in an overlay of a user.
@Suite("Kubernetes: a new generation of bars")
struct GenerationTests {
    @Test("all new workers start in one step, on any overlay", arguments: Rendered.overlays)
    func surge(overlay: String) throws {
        let variant = try Variant()
        try variant.addLast("../../components/new-generation", to: overlay)
        let rendered = try variant.render(overlay)
        for manifest in rendered.manifests where manifest.kind == "Deployment" {
            let update = manifest.node["spec", "strategy", "rollingUpdate"]
            let isWorker = manifest.name == "operator-worker"
            #expect((update?["maxSurge"]?.text == "100%") == isWorker, "\(manifest)")
            if isWorker { #expect(update?["maxUnavailable"]?.text == "0") }
        }
        #expect(rendered.text.contains("maxSurge: 100%"))
    }
}
