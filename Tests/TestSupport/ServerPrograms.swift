import Foundation

/// Where the real servers are that the tests run against. `make servers` puts them there.
public enum ServerPrograms {
    public static let checkout = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    public static var root: String { "\(checkout)/.local/servers" }
    /// TEST_NATS_SERVER names another one, to run the tests against another version.
    public static var nats: String {
        ProcessInfo.processInfo.environment["TEST_NATS_SERVER"] ?? "\(root)/bin/nats-server"
    }

    /// `initdb`, `pg_ctl`, `postgres`, `psql`, `not-root`, `valkey-server`, `valkey-cli`.
    public static func database(_ program: String) -> String { "\(root)/database/bin/\(program)" }

    /// `prometheus`, `promtool`.
    public static func prometheus(_ program: String) -> String {
        "\(root)/prometheus/bin/\(program)"
    }

    /// No server: it renders the manifests of `deploy/kubernetes`.
    public static var kustomize: String { "\(root)/kustomize/bin/kustomize" }

    /// The same tree with TimescaleDB's Community edition in place of the Apache one, which may not
    /// be shipped with anything: TEST_TIMESCALE_COMMUNITY names its folder, if there is one.
    public static let community = ProcessInfo.processInfo.environment["TEST_TIMESCALE_COMMUNITY"]

    public struct Missing: Error, CustomStringConvertible {
        public let path: String
        public var description: String { "\(path) is missing: run 'make servers'" }
    }

    public static func require(_ path: String) throws -> String {
        guard FileManager.default.isExecutableFile(atPath: path) else { throw Missing(path: path) }
        return path
    }
}
