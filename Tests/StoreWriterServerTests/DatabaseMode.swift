import Foundation
import TestSupport
import Testing

@testable import StoreWriter

/// The three databases on which the schema runs.
enum DatabaseMode: String, CaseIterable, Sendable {
    case plain
    case apache
    case community

    /// The databases that are available here. The Community edition is never shipped; a separate
    /// test reports if it is missing.
    static var here: [DatabaseMode] {
        PostgresServer.Edition.hasCommunity ? allCases : [.plain, .apache]
    }

    /// The databases of a test that says the same of each, with the same statements: at night those
    /// that are available here, else the one that is shipped.
    static let usual =
        ProcessInfo.processInfo.environment["TAPELINE_TIER"] == "night" ? here : [.apache]

    /// The name that `store_mode()` returns.
    var name: String { self == .plain ? "plain" : "timescaledb-\(rawValue)" }

    func server() throws -> PostgresServer {
        try PostgresServer.shared(self == .community ? .community : .apache)
    }
}
