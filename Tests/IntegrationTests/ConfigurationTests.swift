import Foundation
import TestSupport
import Testing

extension IntegrationTests {
    /// Mistakes in the settings: nothing is started, every problem is a separate line with its
    /// remedy, and no secret is repeated.
    @Suite struct ConfigurationTests {
        struct Mistake: CustomTestStringConvertible, Sendable {
            let name: String
            var products = ConfigurationTests.all
            var environment: [String: String] = [:]
            var arguments: [String] = []
            /// One expected problem per line.
            let lines: [String]

            init(
                _ name: String, of products: String..., set environment: [String: String] = [:],
                given arguments: [String] = [], says lines: String...
            ) {
                self.name = name
                if !products.isEmpty { self.products = products }
                (self.environment, self.arguments, self.lines) = (environment, arguments, lines)
            }

            var testDescription: String { name }
        }

        private static let all = ["provider-gateway", "operator-worker", "store-writer"]

        private static let secret = "hush-4d7f"

        private static let mistakes = [
            Mistake("a misspelt key", set: ["NATS_ULR": "nats://127.0.0.1:1"], says: "NATS_URL"),
            Mistake(
                "a misspelt key of its own", of: "provider-gateway", set: ["SYNTHETIC_RAET": "5"],
                says: "SYNTHETIC_RATE"),
            Mistake(
                "a misspelt flag", given: ["--nats-ulr", "nats://127.0.0.1:1"], says: "--nats-url"),
            Mistake(
                "a flag of another service", of: "operator-worker", "store-writer",
                given: ["--synthetic-rate", "5"], says: "--synthetic-rate"),
            Mistake(
                "a secret as a flag", given: ["--nats-password", secret], says: "NATS_PASSWORD_FILE"
            ),
            Mistake(
                "a secret without a file", set: ["NATS_PASSWORD_FILE": "/nowhere/at/all"],
                says: "NATS_PASSWORD_FILE"),
            Mistake(
                "a folder as a secret", set: ["NATS_PASSWORD_FILE": "/tmp"],
                says: "NATS_PASSWORD_FILE"),
            Mistake(
                "a secret in two places",
                set: ["NATS_PASSWORD_FILE": "/dev/null", "NATS_PASSWORD": secret],
                says: "NATS_PASSWORD"),
            Mistake("a port that is none", set: ["OPS_PORT": "99999"], says: "OPS_PORT"),
            Mistake(
                "an address of something else",
                set: ["NATS_URL": "http://user:\(secret)@127.0.0.1"], says: "NATS_URL"),
            Mistake(
                "a password in the address", set: ["NATS_URL": "nats://user:\(secret)@127.0.0.1"],
                says: "NATS_URL"),
            Mistake(
                "a namespace that cannot be a subject", set: ["MDS_NAMESPACE": "md.>"],
                says: "MDS_NAMESPACE"),
            Mistake(
                "a namespace that cannot be a schema", set: ["MDS_NAMESPACE": "1md"],
                says: "MDS_NAMESPACE"),
            Mistake(
                "full pace for ever", of: "provider-gateway", set: ["SYNTHETIC_PACE": "full"],
                says: "SYNTHETIC_TICKS"),
            Mistake(
                "a symbol twice", of: "provider-gateway",
                set: ["SYNTHETIC_SYMBOLS": "AAPL,MSFT,AAPL"], says: "AAPL"),
            Mistake(
                "a source that is no token", of: "provider-gateway", set: ["GATEWAY_SOURCE": "a.b"],
                says: "GATEWAY_SOURCE"),
            Mistake(
                "a series that no day divides into", of: "operator-worker",
                set: ["OPERATOR_SERIES": "1s,7s"], says: "OPERATOR_SERIES"),
            Mistake(
                "a member's name that is no token", set: ["MDS_MEMBER": "worker.7"],
                says: "MDS_MEMBER"),
            Mistake(
                "a lease that is shorter than a message takes", set: ["MDS_LEASE": "1ms"],
                says: "MDS_LEASE"),
            Mistake(
                "a time without a unit", of: "store-writer", set: ["WRITER_BATCH_WAIT": "250"],
                says: "WRITER_BATCH_WAIT"),
            Mistake(
                "a file that is not there", given: ["--config", "/nowhere/default.env"],
                says: "/nowhere/default.env"),
            Mistake(
                "several at once",
                set: [
                    "NATS_ULR": "x", "OPS_PORT": "-1", "LOG_LEVEL": "loud", "MDS_PARTITIONS": "0",
                    "NATS_PASSWORD_FILE": "/nowhere/at/all",
                ], given: ["--colour"], says: "NATS_ULR", "OPS_PORT", "LOG_LEVEL", "MDS_PARTITIONS",
                "NATS_PASSWORD_FILE",
                "--colour"),
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
            for product in Self.all {
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
