import MarketModel
import Primitives
import TapeProtocol

/// A question of a repair about single packets of the tape. A thread that may block answers it.
enum RepairQuestion: Hashable, Sendable {
    /// Which output is stored at this ordinal of the partition's bars.
    case precedent(ordinal: UInt64)
    /// Where the tapes of these sources begin.
    case reach([SourceName])
    /// Where the tape of the partition's bars begins and ends.
    case ends
}

enum RepairAnswer: Sendable {
    case precedent(RepairPrecedent)
    case reach(RepairReach)
    /// The ends; `nil` when the tape is empty.
    case ends(BarTapeEnds?)
    /// It failed, and has to be sent again.
    case failed(String)
}

/// The outcome of a repair that an earlier owner reached, as the tape of bars shows it.
enum RepairPrecedent: Hashable, Sendable {
    case refused(RefusedRepair)
    /// A bar, or another value: the repair was done.
    case done
    /// The packet that held it was purged, so the outcome is not known.
    case purged
}

struct BarTapeEnds: Hashable, Sendable {
    /// When the first packet was stored, and its first ordinal.
    let first: Timestamp
    let firstOrdinal: UInt64
    let last: Timestamp
    let lastSequence: UInt64
}

/// The question that the worker waits for, and its answer. Different threads answer the questions
/// of different partitions, so an answer to an older question may come later. The number tells them
/// apart.
struct RepairAsking {
    /// The wait before a question is sent again. Its answer counts whenever it comes.
    static let againNanoseconds: Int64 = 120_000_000_000

    let slot: Int
    let number: UInt64
    let question: RepairQuestion
    private(set) var answer: RepairAnswer?
    /// When it was sent, monotonic; `nil` while there is no room among the jobs.
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
