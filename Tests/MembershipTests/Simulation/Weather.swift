import Primitives

let millisecond: Int64 = 1_000_000
let second: Int64 = 1_000_000_000

/// The properties of a world, all from its seed.
struct Weather {
    enum Kind: CaseIterable {
        /// Members join, leave and are killed. There are no other faults.
        case calm
        /// NATS is restarted and killed. No member dies.
        case restarts
        /// Processes are stopped and woken up, hang, are killed and restarted.
        case pauses
        /// Links are cut and stall.
        case links
        /// The bucket is slow, answers are lost, writes come late.
        case slowRecords
        /// Two processes have one name.
        case doubles
        /// All of these.
        case everything
        /// Single messages are lost or late for one member only.
        case selective
        /// The bucket is restored from a backup or deleted.
        case destroyed
    }

    let kind: Kind
    let members: Int
    let partitions: Int
    let stormEnd: Int64
    /// The maximum latency in one direction.
    let latencyMax: Int64
    let recordMax: Int64
    let planeMax: Int64
    let hasRanks: Bool
    let strangers: Bool

    static let lease = 500 * millisecond

    init(seed: UInt64, using random: inout SeededRandom) {
        let kinds = Kind.allCases
        kind = kinds[Int(seed % UInt64(kinds.count))]
        members = Int.random(in: 1...(kind == .everything ? 4 : 3), using: &random)
        partitions = Int.random(in: 1...4, using: &random)
        stormEnd = Int64.random(in: 15...35, using: &random) * 100 * millisecond
        latencyMax = Int64.random(in: 1...20, using: &random) * millisecond
        let isSlow = kind == .slowRecords || kind == .everything
        recordMax = Int64.random(in: 1...(isSlow ? 900 : 10), using: &random) * millisecond
        planeMax =
            Int64.random(in: 1...(Bool.random(using: &random) ? 20 : 800), using: &random)
            * millisecond
        hasRanks = Int.random(in: 0..<4, using: &random) == 0
        strangers = kind == .everything && Bool.random(using: &random)
    }

    /// True if all members receive the same messages.
    var isFair: Bool { kind != .selective && kind != .destroyed }
    /// True if no member that is alive and not stopped loses anything.
    var isHarmless: Bool { kind == .calm || kind == .restarts }

    /// The time from the end of the storm until everything is settled.
    var calmTime: Int64 {
        // A bucket restored from a backup is noticed at the latest by the next complete read.
        let base: Int64 = strangers ? 80 : kind == .destroyed ? 130 : 45
        return base * 100 * millisecond + 3 * planeMax + 5 * recordMax
    }
}
