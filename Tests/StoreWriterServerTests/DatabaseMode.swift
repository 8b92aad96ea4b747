import Foundation
import TestSupport
import Testing

@testable import StoreWriter

/// The databases on which the schema runs.
enum DatabaseMode: String, CaseIterable, Sendable {
    case plain
    case apache
    case community
    /// PostgreSQL 18 of the packages of Python, which is plain, too.
    case packaged

    private static let isNight = ProcessInfo.processInfo.environment["TAPELINE_TIER"] == "night"

    /// All databases that are available here, for what each of them has to do. The Community
    /// edition is never shipped; a separate test reports if it is missing.
    static let all = allCases.filter { $0 != .community || PostgresServer.Edition.hasCommunity }

    /// The databases of most tests: by day without the second plain one.
    static let here = all.filter { $0 != .packaged || isNight }

    /// The databases of a test that says the same of each, with the same statements: at night those
    /// that are available here, else the one that is shipped.
    static let usual = isNight ? here : [.apache]

    var isPlain: Bool { self == .plain || self == .packaged }

    /// The name that `store_mode()` returns.
    var name: String { isPlain ? "plain" : "timescaledb" }

    var edition: PostgresServer.Edition {
        switch self {
        case .plain, .apache: .apache
        case .community: .community
        case .packaged: .packaged
        }
    }

    func server() throws -> PostgresServer { try PostgresServer.shared(edition) }
}
