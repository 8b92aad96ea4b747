import TestSupport
import Testing

/// The folder of the manifests is a chart, too. Helm's own engine renders it as kustomize does.
@Suite("Kubernetes: the chart")
struct HelmChartTests {
    private static let packages = "helm"

    @Test("Helm renders what kustomize does, and each value changes exactly its fields")
    func chart() throws {
        if let obstacle = PythonServer.obstacle(of: Self.packages) { return print(obstacle) }
        let kustomize = try ServerPrograms.require(ServerPrograms.kustomize)
        // Failed tests show in its exit status and in its output.
        try run(
            "/bin/bash",
            [
                "\(ServerPrograms.checkout)/deploy/local/engines.sh", "--of", Self.packages,
                "\(ServerPrograms.checkout)/Tests/ServicesNightTests/helm_chart.py",
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1", "KUSTOMIZE": kustomize])
    }
}
