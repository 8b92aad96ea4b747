import Foundation

/// The paths of the real servers against which tests run. `make servers` installs them.
package enum ServerPrograms {
    package static let checkout = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    package static var root: String { "\(checkout)/.local/servers" }
    /// TEST_NATS_SERVER names another one, to test with another version.
    package static var nats: String {
        ProcessInfo.processInfo.environment["TEST_NATS_SERVER"] ?? "\(root)/bin/nats-server"
    }

    /// `initdb`, `pg_ctl`, `postgres`, `psql`, `not-root`, `valkey-server`, `valkey-cli`.
    package static func database(_ program: String) -> String { "\(root)/database/bin/\(program)" }

    /// The same programs of PostgreSQL, without extensions, as the packages of Python have them.
    package static func packaged(_ program: String) -> String {
        "\(root)/packaged/bin/\(program)"
    }

    package static var packagedValkey: String { "\(root)/packaged/valkey-server" }

    /// `prometheus`, `promtool`.
    package static func prometheus(_ program: String) -> String {
        "\(root)/prometheus/bin/\(program)"
    }

    /// `alertmanager`, `amtool`.
    package static func alertmanager(_ program: String) -> String {
        "\(root)/alertmanager/bin/\(program)"
    }

    /// Not a server: it renders the manifests of `deploy/kubernetes`.
    package static var kustomize: String { "\(root)/kustomize/bin/kustomize" }

    /// The folder of the same programs with TimescaleDB's Community edition, which may not be
    /// shipped with anything. TEST_TIMESCALE_COMMUNITY names it. `nil` if there is none.
    package static let community = ProcessInfo.processInfo.environment["TEST_TIMESCALE_COMMUNITY"]

    /// PgBouncer, which `make servers` does not install. TEST_PGBOUNCER names it. `nil` if there is
    /// none.
    package static let pgBouncer = ProcessInfo.processInfo.environment["TEST_PGBOUNCER"]

    package struct Missing: Error, CustomStringConvertible {
        package let path: String
        package var description: String { "\(path) is missing: run 'make servers'" }
    }

    package static func require(_ path: String) throws -> String {
        guard FileManager.default.isExecutableFile(atPath: path) else { throw Missing(path: path) }
        return path
    }
}
