import Foundation
import TestSupport
import Testing

@Suite("Kubernetes: schemas of its API, of KEDA's and of CloudNativePG's")
struct SchemaTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
    /// The oldest version whose fields are used (`preStop.sleep`), and the newest with a schema.
    private static let versions = "1.30,1.37"
    /// The status by which `engines.sh` reports that the packages are not available.
    private static let absent: Int32 = 3

    /// Checks each text as one file of manifests, and throws with all problems. Returns `nil`,
    /// after a printed remark, if the Python package index is not reachable.
    private func validate(_ texts: [String: String]) throws -> String? {
        let temporary = try TemporaryFolder("manifests")
        let files = try texts.sorted { $0.key < $1.key }.map { name, text in
            let path = temporary.file("\(name).yaml")
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }
        let engines = "\(ServerPrograms.checkout)/deploy/local/engines.sh"
        let arguments = [
            engines, "--of", "manifests", "\(Self.folder)/validate_manifests.py",
            "\(Self.folder)/schemas", Self.versions,
        ]
        do {
            return try run(
                "/bin/bash", arguments + files, environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        } catch let failure as ProgramFailure where failure.status == Self.absent {
            print("no manifest was compared with a schema: \(failure.message)")
            return nil
        }
    }

    @Test("every object of every overlay is as the API wants it, and has no field unknown to it")
    func valid() throws {
        let all =
            try Rendered.all() + [
                try Variant.withToken(), try Variant.withSpool(), try Variant.withDatabase(),
                try Variant.withActions("production"), try Variant.withAlerts(),
                try Variant.withSources(),
                try Variant.withStore("clickhouse"), try Variant.withStore("questdb"),
                try Variant.withStore("clickhouse", "questdb", byCloudNativePG: true),
                try Variant.withStore("clickhouse", "questdb", on: "development"),
            ]
        let texts = Dictionary(
            all.map { ($0.overlay, $0.text) }, uniquingKeysWith: { "\($0)\n---\n\($1)" })
        guard let told = try validate(texts) else { return }
        let count = all.reduce(0) { $0 + $1.manifests.count }
        #expect(told == "\(count) objects checked")
    }

    /// A correct manifest in which a piece is replaced, and the expected problem.
    struct Mistake: Sendable, CustomTestStringConvertible {
        let overlay: String
        let from: String
        let to: String
        let complaint: String
        var testDescription: String { to }

        init(_ overlay: String, _ from: String, _ to: String, _ complaint: String) {
            (self.overlay, self.from, self.to, self.complaint) = (overlay, from, to, complaint)
        }
    }

    private static let mistakes = [
        Mistake(
            "production-keda", "targetValue: \"50000\"", "targetValue: 50000",
            "is not of type 'string'"),
        Mistake(
            "production-keda", "maxReplicaCount: 8", "maxReplicas: 8",
            "'maxReplicas' was unexpected"),
        Mistake(
            "production-keda", "aggregationType: min", "aggregationType: least",
            "aggregationType may not be least"),
        Mistake(
            "production-keda", "valueLocation: operator.lag", "path: operator.lag",
            "metrics-api lacks valueLocation"),
        Mistake(
            "production-keda-prometheus", "ignoreNullValues", "ignoreNulls",
            "prometheus has no parameter ignoreNulls"),
        Mistake("with a token", "parameter: bearerToken", "as: token", "('as' was unexpected)"),
        Mistake(
            "with a database", "dataDurability: required", "durability: required",
            "'durability' was unexpected"),
        Mistake("production-hpa", "averageValue: \"1\"", "averageValue: []", "[] is not"),
        Mistake("production", "replicas: 2", "replicas: two", "'two' is not"),
        Mistake(
            "production", "automountServiceAccountToken: false", "automountToken: false",
            "'automountToken' was unexpected"),
    ]

    @Test("a mistake is found", arguments: mistakes)
    func mistake(mistake: Mistake) throws {
        let variants = [
            "with a token": Variant.withToken, "with a database": Variant.withDatabase,
        ]
        let rendered = try variants[mistake.overlay]?() ?? Rendered.named(mistake.overlay)
        let right = rendered.text
        let place = try #require(right.range(of: mistake.from))
        let wrong = right.replacingCharacters(in: place, with: mistake.to)
        do {
            // Without schemas there is no answer to check.
            if try validate([mistake.overlay: wrong]) != nil {
                Issue.record("\(mistake.to) passed for right")
            }
        } catch let failure as ProgramFailure {
            #expect(failure.message.contains(mistake.complaint), "\(failure.message)")
        }
    }
}
