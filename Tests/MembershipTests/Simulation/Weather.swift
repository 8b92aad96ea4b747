import Primitives

let millisecond: Int64 = 1_000_000
let second: Int64 = 1_000_000_000

/// What a world is like, all of it from its seed.
struct Weather {
    enum Kind: CaseIterable {
        /// Members come, leave and are killed; nothing else goes wrong.
        case calm
        /// NATS restarts, and is killed; nobody dies.
        case restarts
        /// Processes are stopped and woken up, hang, are killed and started again.
        case pauses
        /// Links are cut, and stand still.
        case links
        /// The bucket is slow, answers are lost, writes come late.
        case slowRecords
        /// Two processes have one name.
        case doubles
        /// All of these.
        case everything
        /// Single messages get lost or come late, and nobody else is missing them.
        case selective
        /// The bucket is put back or deleted.
        case destroyed
    }

    let kind: Kind
    let members: Int
    let partitions: Int
    let stormEnd: Int64
    /// Of one way, at most.
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

    /// What one member hears, all do.
    var isFair: Bool { kind != .selective && kind != .destroyed }
    /// Nobody who is alive and not stopped loses anything.
    var isHarmless: Bool { kind == .calm || kind == .restarts }

    /// From the end of the storm until everything has its place.
    var calmTime: Int64 {
        // A bucket that was put back is noticed at the latest when it is read as a whole.
        let base: Int64 = strangers ? 80 : kind == .destroyed ? 130 : 45
        return base * 100 * millisecond + 3 * planeMax + 5 * recordMax
    }
}
