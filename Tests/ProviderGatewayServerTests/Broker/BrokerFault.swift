import Primitives

/// The faults of the long run.
enum BrokerFault: String, CaseIterable {
    case close
    case halfFrame = "half a frame"
    case byteAtATime = "one byte at a time"
    case stall
    case garbage
    case subscriptionsLost = "1100, then 1101"
    case subscriptionsKept = "1100, then 1102"
    case marketFarm = "market data farm down"
    case historyFarm = "history farm down"
    case nightlyReset = "nightly reset"
    case competing = "competing session"
    case clientIDInUse = "client id in use"
    case pacingErrors = "pacing errors"
    case late = "late ticks"
    case duplicates = "duplicate ticks"
    case reordered = "ticks out of order"
    case depthHalted = "books halted"
    case depthReset = "books reset"
    case silentFeed = "silent feed"
    case serverCrash = "TWS crashes"
    case gatewayKill = "gateway killed"
    case gatewayEnd = "gateway ended in order"
    case gatewayPause = "gateway paused"
    case natsRestart = "NATS killed"

    /// The faults of every run, also of short ones.
    static let always: [BrokerFault] = [.gatewayKill, .serverCrash, .subscriptionsLost]
}

/// A sequence of faults that depends only on the seed: each fault occurs once before any occurs
/// again.
struct BrokerSchedule: CustomStringConvertible {
    let seed: UInt64
    let faults: [BrokerFault]

    init(seed: UInt64, count: Int, without: Set<BrokerFault> = []) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        let kinds = BrokerFault.allCases.filter { !without.contains($0) }
        let always = BrokerFault.always.shuffled(using: &random)
        let others = kinds.filter { !always.contains($0) }.shuffled(using: &random)
        let fits = max(0, count - always.count)
        var faults = (always + others.prefix(fits)).shuffled(using: &random)
        faults += others.dropFirst(fits)
        while faults.count < count { faults += kinds.shuffled(using: &random) }
        self.faults = Array(faults.prefix(count))
    }

    var description: String {
        "TAPELINE_SEED=\(seed): \(faults.map(\.rawValue).joined(separator: ", "))"
    }
}
