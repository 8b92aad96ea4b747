import Primitives
import TestSupport
import ValkeyClient

@testable import HotState
@testable import HotStateTests

extension ValkeyServer {
    var configuration: ValkeyConfiguration {
        ValkeyConfiguration(host: "127.0.0.1", port: port, password: ValkeyServer.password)
    }

    struct SourceOfSymbol {
        let name: String
        /// When its last key expires.
        let end: String
    }

    /// Returns the sources of a symbol, in their order.
    func sources(_ symbol: String) throws -> [SourceOfSymbol] {
        try cli("HGET", "x:sources", symbol).split(separator: " ").map {
            let parts = $0.split(separator: ":").map(String.init)
            return SourceOfSymbol(name: parts[0], end: parts[1])
        }
    }
}

extension HotAges {
    static let sample = HotAges(life: 300_000_000_000, stale: 5_000_000_000)
}

extension HotSession {
    convenience init(_ server: ValkeyServer) throws {
        try self.init(server.configuration, namespace: "x", marker: "x:hot:1")
    }

    /// Writes what is pending, as the keeper does.
    @discardableResult
    func roundTrip(
        _ table: inout HotTable, keysMax: Int = 2_048, withMarker: Bool = false,
        now: MonotonicTime = .at(0)
    ) throws -> Settled? {
        try begin(&table, keysMax: keysMax, withMarker: withMarker, now: now, .sample)
        while isWaiting {
            if let settled = try advance(waitingAtMost: .milliseconds(20), &table) {
                return settled
            }
        }
        return nil
    }
}
