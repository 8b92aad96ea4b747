import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// Mistakes in the settings: nothing is started, every problem is a separate line with its
    /// remedy, and no secret is repeated.
    @Suite struct ConfigurationTests {
        struct Mistake: CustomTestStringConvertible, Sendable {
            let name: String
            var products = ["provider-gateway", "operator-worker", "store-writer"]
            var environment: [String: String] = [:]
            var arguments: [String] = []
            /// One expected problem per line.
            let lines: [String]

            var testDescription: String { name }
        }

        private static let secret = "hush-4d7f"

        private static let mistakes = [
            Mistake(
                name: "a misspelt key", environment: ["NATS_ULR": "nats://127.0.0.1:1"],
                lines: ["NATS_URL"]),
            Mistake(
                name: "a misspelt key of its own", products: ["provider-gateway"],
                environment: ["SYNTHETIC_RAET": "5"], lines: ["SYNTHETIC_RATE"]),
            Mistake(
                name: "a misspelt flag", arguments: ["--nats-ulr", "nats://127.0.0.1:1"],
                lines: ["--nats-url"]),
            Mistake(
                name: "a flag of another service", products: ["operator-worker", "store-writer"],
                arguments: ["--synthetic-rate", "5"], lines: ["--synthetic-rate"]),
            Mistake(
                name: "a secret as a flag", arguments: ["--nats-password", secret],
                lines: ["NATS_PASSWORD_FILE"]),
            Mistake(
                name: "a secret without a file",
                environment: ["NATS_PASSWORD_FILE": "/nowhere/at/all"],
                lines: ["NATS_PASSWORD_FILE"]),
            Mistake(
                name: "a folder as a secret", environment: ["NATS_PASSWORD_FILE": "/tmp"],
                lines: ["NATS_PASSWORD_FILE"]),
            Mistake(
                name: "a secret in two places",
                environment: ["NATS_PASSWORD_FILE": "/dev/null", "NATS_PASSWORD": secret],
                lines: ["NATS_PASSWORD"]),
            Mistake(
                name: "a port that is none", environment: ["OPS_PORT": "99999"],
                lines: ["OPS_PORT"]),
            Mistake(
                name: "an address of something else",
                environment: ["NATS_URL": "http://user:\(secret)@127.0.0.1"], lines: ["NATS_URL"]),
            Mistake(
                name: "a password in the address",
                environment: ["NATS_URL": "nats://user:\(secret)@127.0.0.1"],
                lines: ["NATS_URL"]),
            Mistake(
                name: "a namespace that cannot be a subject",
                environment: ["MDS_NAMESPACE": "md.>"], lines: ["MDS_NAMESPACE"]),
            Mistake(
                name: "a namespace that cannot be a schema",
                environment: ["MDS_NAMESPACE": "1md"], lines: ["MDS_NAMESPACE"]),
            Mistake(
                name: "full pace for ever", products: ["provider-gateway"],
                environment: ["SYNTHETIC_PACE": "full"], lines: ["SYNTHETIC_TICKS"]),
            Mistake(
                name: "a symbol twice", products: ["provider-gateway"],
                environment: ["SYNTHETIC_SYMBOLS": "AAPL,MSFT,AAPL"], lines: ["AAPL"]),
            Mistake(
                name: "a source that is no token", products: ["provider-gateway"],
                environment: ["GATEWAY_SOURCE": "a.b"], lines: ["GATEWAY_SOURCE"]),
            Mistake(
                name: "a series that no day divides into", products: ["operator-worker"],
                environment: ["OPERATOR_SERIES": "1s,7s"], lines: ["OPERATOR_SERIES"]),
            Mistake(
                name: "a member's name that is no token",
                environment: ["MDS_MEMBER": "worker.7"], lines: ["MDS_MEMBER"]),
            Mistake(
                name: "a lease that is shorter than a message takes",
                environment: ["MDS_LEASE": "1ms"], lines: ["MDS_LEASE"]),
            Mistake(
                name: "a time without a unit", products: ["store-writer"],
                environment: ["WRITER_BATCH_WAIT": "250"], lines: ["WRITER_BATCH_WAIT"]),
            Mistake(
                name: "a file that is not there", arguments: ["--config", "/nowhere/default.env"],
                lines: ["/nowhere/default.env"]),
            Mistake(
                name: "several at once",
                environment: [
                    "NATS_ULR": "x", "OPS_PORT": "-1", "LOG_LEVEL": "loud", "MDS_PARTITIONS": "0",
                    "NATS_PASSWORD_FILE": "/nowhere/at/all",
                ], arguments: ["--colour"],
                lines: [
                    "NATS_ULR", "OPS_PORT", "LOG_LEVEL", "MDS_PARTITIONS", "NATS_PASSWORD_FILE",
                    "--colour",
                ]),
        ]

        @Test("A mistake in the settings ends with 64 and says what to do", arguments: mistakes)
        func mistake(_ mistake: Mistake) throws {
            for product in mistake.products {
                let folder = try TemporaryFolder("settings")
                let service = try ServiceProcess(
                    product, mistake.arguments, environment: mistake.environment, folder: folder,
                    label: "log")
                #expect(service.exitCode() == 64, "\(product): \(service.output)")
                let lines = service.output.split(separator: "\n")
                for text in mistake.lines {
                    #expect(
                        lines.count { $0.contains(text) } >= 1, "\(product): \(service.output)")
                }
                // One line each, and possibly one that points to the help.
                #expect(
                    (mistake.lines.count...mistake.lines.count + 1).contains(lines.count),
                    "\(product): \(service.output)")
                service.expectCleanOutput(secrets: [Self.secret])
            }
        }

        @Test(
            "What only asks ends with 0, starts nothing and repeats no secret",
            arguments: ["--help", "--version", "--check-config", "--print-config"])
        func questions(flag: String) throws {
            for product in Mistake(name: "", lines: []).products {
                let folder = try TemporaryFolder("settings")
                let service = try ServiceProcess(
                    product, [flag],
                    environment: [
                        "NATS_PASSWORD": Self.secret, "POSTGRES_PASSWORD": Self.secret,
                    ], folder: folder, label: "log")
                #expect(service.exitCode() == 0, "\(product): \(service.output)")
                #expect(!service.output.isEmpty)
                service.expectCleanOutput(secrets: [Self.secret])
            }
        }
    }
}
