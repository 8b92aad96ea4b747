import MarketModel
import Primitives

/// What a repair has to know of the tape beside what it reads: single packets, for which a thread
/// waits that may wait.
enum RepairQuestion: Hashable, Sendable {
    /// Whether what stands at this ordinal of the partition's bars is a refusal.
    case precedent(ordinal: UInt64)
    /// Where the tapes of these sources begin.
    case reach([SourceName])
    /// Where the tape of the partition's bars begins and ends.
    case standing
}

enum RepairAnswer: Sendable {
    case precedent(RefusedRepair?)
    case reach(RepairReach)
    /// Nil: nothing stands there.
    case standing(StandingEnds?)
    /// It has to be asked again.
    case failed(String)
}

struct StandingEnds: Hashable, Sendable {
    /// When the first packet was stored, and the ordinal that it begins with.
    let first: Timestamp
    let firstOrdinal: UInt64
    let last: Timestamp
    let lastSequence: UInt64
}

/// The question that the worker waits for. A number tells its answer from those to older ones.
struct RepairAsking {
    let slot: Int
    let number: UInt64
    let question: RepairQuestion
    var isOnItsWay = false
}
