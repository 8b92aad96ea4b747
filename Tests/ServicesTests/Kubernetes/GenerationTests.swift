import Foundation
import TestSupport
import Testing

/// The component for an upgrade that raises `OPERATOR_GENERATION`, in an overlay of a user.
@Suite("Kubernetes: a new generation of bars")
struct GenerationTests {
    @Test("all new workers start in one step, on any overlay", arguments: Rendered.overlays)
    func surge(overlay: String) throws {
        let folder = try TemporaryFolder("generation")
        // kustomize takes no absolute path.
        let up = folder.path.split(separator: "/").map { _ in ".." }.joined(separator: "/")
        let kubernetes = "\(up)\(ServerPrograms.checkout)/deploy/kubernetes"
        try folder.write(
            """
            apiVersion: kustomize.config.k8s.io/v1beta1
            kind: Kustomization
            resources: ["\(kubernetes)/overlays/\(overlay)"]
            components: ["\(kubernetes)/components/new-generation"]
            """, to: "kustomization.yaml")
        let text = try run(ServerPrograms.kustomize, ["build", folder.path])
        for manifest in try Manifest.documents(text, of: overlay)
        where manifest.kind == "Deployment" {
            let update = manifest.node["spec", "strategy", "rollingUpdate"]
            let isWorker = manifest.name == "operator-worker"
            #expect((update?["maxSurge"]?.text == "100%") == isWorker, "\(manifest)")
            if isWorker { #expect(update?["maxUnavailable"]?.text == "0") }
        }
        #expect(text.contains("maxSurge: 100%"))
    }
}
