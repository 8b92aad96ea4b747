internal import Primitives

/// Counts a client's requests and returns the complaints of a server.
struct PacingWatch: Sendable {
    private static let tenMinutes: Int64 = 600_000_000_000
    private static let fifteenSeconds: Int64 = 15_000_000_000
    private static let twoSeconds: Int64 = 2_000_000_000
    private static let second: Int64 = 1_000_000_000

    private struct Past {
        var time: Timestamp
        var key: String
        var contract: String
        var weight: Int
    }

    private var requests: [Timestamp] = []
    private var history: [Past] = []
    private(set) var violations = 0

    /// Returns false after more than 50 requests within a second.
    mutating func allows(requestAt now: Timestamp) -> Bool {
        requests.removeAll { now.nanoseconds(since: $0) >= Self.second }
        guard requests.count < SimulatorLimits.requestsPerSecond else {
            violations += 1
            requests.removeAll()
            return false
        }
        requests.append(now)
        return true
    }

    /// Returns the complaint about a historical request, or `nil`. Equal requests have the same
    /// `key`. Requests for the same contract, exchange and kind have the same `contract`.
    mutating func problem(
        key: String, contract: String, isBidAsk: Bool, at now: Timestamp
    ) -> String? {
        history.removeAll { now.nanoseconds(since: $0.time) >= Self.tenMinutes }
        func within(_ span: Int64) -> [Past] {
            history.filter { now.nanoseconds(since: $0.time) < span }
        }
        let weight = isBidAsk ? 2 : 1
        if within(Self.fifteenSeconds).contains(where: { $0.key == key }) {
            return "pacing violation: an identical request within 15 seconds"
        }
        let recent = within(Self.twoSeconds).filter { $0.contract == contract }
        if recent.count >= 5 {
            return "pacing violation: 6 requests for one contract within 2 seconds"
        }
        if history.reduce(weight, { $0 + $1.weight }) > 60 {
            return "pacing violation: more than 60 requests within 10 minutes"
        }
        history.append(Past(time: now, key: key, contract: contract, weight: weight))
        return nil
    }
}
