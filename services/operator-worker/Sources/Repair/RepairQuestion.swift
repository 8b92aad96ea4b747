import MarketModel
import Primitives
import TapeProtocol

/// What a repair has to know of the tape beside what it reads: single packets, for which a thread
/// waits that may wait.
enum RepairQuestion: Hashable, Sendable {
    /// What stands at this ordinal of the partition's bars.
    case precedent(ordinal: UInt64)
    /// Where the tapes of these sources begin.
    case reach([SourceName])
    /// Where the tape of the partition's bars begins and ends.
    case standing
}

enum RepairAnswer: Sendable {
    case precedent(RepairPrecedent)
    case reach(RepairReach)
    /// Nil: nothing stands there.
    case standing(StandingEnds?)
    /// It has to be asked again.
    case failed(String)
}

/// What the tape of bars says of a repair that an owner before came to.
enum RepairPrecedent: Hashable, Sendable {
    case refused(RefusedRepair)
    /// A bar, or another value: it was done.
    case done
    /// The packet in which it stood is not there any more: nobody can tell.
    case purged
}

struct StandingEnds: Hashable, Sendable {
    /// When the first packet was stored, and the ordinal that it begins with.
    let first: Timestamp
    let firstOrdinal: UInt64
    let last: Timestamp
    let lastSequence: UInt64
}

/// The question that the worker waits for, and its answer. Questions of different partitions are
/// answered by different threads: a number tells the answer from those to older ones, which may
/// come later than it.
struct RepairAsking {
    /// An answer that has not come by then is asked for again, and counts whenever it comes.
    static let againNanoseconds: Int64 = 120_000_000_000

    let slot: Int
    let number: UInt64
    let question: RepairQuestion
    private(set) var answer: RepairAnswer?
    /// Monotonic; nil: it has not found room among the jobs.
    private var sentAt: Int64?

    init(slot: Int, number: UInt64, question: RepairQuestion) {
        self.slot = slot
        self.number = number
        self.question = question
    }

    func isToBeSent(now: Int64) -> Bool {
        guard answer == nil else { return false }
        return sentAt.map { now - $0 >= Self.againNanoseconds } ?? true
    }

    mutating func sent(now: Int64) { sentAt = now }

    mutating func take(_ answer: RepairAnswer, number: UInt64) {
        guard number == self.number, self.answer == nil else { return }
        self.answer = answer
    }
}
