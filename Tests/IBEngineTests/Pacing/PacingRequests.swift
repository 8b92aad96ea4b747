import IBEngine
import IBProtocol
import Primitives
import Testing

/// Monotonic nanoseconds.
func at(_ seconds: Double) -> MonotonicTime { .at(Int64(seconds * 1_000_000_000)) }

/// A request for ticks of the past, of a symbol of its own if none is named.
func ticks(_ id: Int32, _ symbol: String? = nil, from second: Int64 = 0) -> IBRequest {
    var request = HistoryTicksRequest()
    request.start = .at(Timestamp(nanoseconds: second * 1_000_000_000))
    return .historyTicks(id: id, Contract(.stock, symbol ?? "S\(id)"), request)
}

/// A request for level 1.
func line(_ id: Int32) -> IBRequest {
    .marketData(id: id, Contract(.stock, "S\(id)"), MarketDataRequest())
}

extension PacingMachine {
    init(_ change: (inout PacingLimits) -> Void = { _ in }) {
        var limits = PacingLimits()
        change(&limits)
        self.init(limits)
    }

    mutating func taken(_ seconds: Double) -> [IBRequest] {
        var requests: [IBRequest] = []
        take(now: at(seconds), into: &requests)
        return requests
    }

    mutating func ask(_ requests: [IBRequest], _ priority: Priority) {
        let areTaken = requests.map { ask($0, priority, now: at(0)) }
        #expect(areTaken.allSatisfy { $0 })
    }
}
