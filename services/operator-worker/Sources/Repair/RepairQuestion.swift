import MarketModel
import Primitives
import TapeProtocol

/// A question of a repair about single packets of the tape. A checkpoint thread answers it
/// (`RepairResponder`), because the answer needs calls that block.
enum RepairQuestion: Hashable, Sendable {
    /// Which output the partition's bars have at this ordinal, where an earlier owner published the
    /// first output of the same repair.
    case precedent(ordinal: UInt64)
    /// Where the ticks of these sources begin on the partition's tape.
    case reach([SourceName])
    /// Where the tape of the partition's bars begins and ends, before bars are read back.
    case ends
}

/// The answer to the question of the same name, or the reason why there is none.
enum RepairAnswer: Sendable {
    case precedent(RepairPrecedent)
    case reach(RepairReach)
    /// The ends; `nil` when the tape is empty.
    case ends(BarTapeEnds?)
    /// The tape could not be read, for this reason. The repair begins again later.
    case failed(String)
}

/// The outcome of the same repair under an earlier owner, as the tape of bars shows it. The present
/// owner has to decide the same, because its output gets the same ordinals.
enum RepairPrecedent: Hashable, Sendable {
    /// The earlier owner refused it.
    case refused(RefusedRepair)
    /// A bar, or another value: the repair was done.
    case done
    /// The packet that held it was purged, so the outcome is not known.
    case purged
}

/// The first and the last packet of a partition's bars on the tape.
struct BarTapeEnds: Hashable, Sendable {
    /// When the first packet was stored.
    let first: Timestamp
    /// The first packet's first ordinal.
    let firstOrdinal: UInt64
    /// When the last packet was stored.
    let last: Timestamp
    let lastSequence: UInt64
}

/// The question whose answer the worker waits for, and the answer. Different threads answer the
/// questions of different partitions, so an answer to an older question may come later. The number
/// tells the answers apart.
struct RepairAsking {
    /// The wait before a question is sent again. Its answer counts whenever it comes.
    static let againNanoseconds: Int64 = 120_000_000_000

    /// The index of the partition's slot in the worker.
    let slot: Int
    /// The number of the question, unique in the worker.
    let number: UInt64
    let question: RepairQuestion
    /// The answer; `nil` while the worker waits for it.
    private(set) var answer: RepairAnswer?
    /// When it was sent, monotonic; `nil` while there is no room among the jobs.
    private var sentAt: MonotonicTime?

    init(slot: Int, number: UInt64, question: RepairQuestion) {
        self.slot = slot
        self.number = number
        self.question = question
    }

    /// Returns whether the question has to be sent, or sent again, because no answer came in time.
    func isToBeSent(now: MonotonicTime) -> Bool {
        guard answer == nil else { return false }
        return sentAt.map { now - $0 >= Self.againNanoseconds } ?? true
    }

    /// Notes that the question was sent.
    mutating func sent(now: MonotonicTime) { sentAt = now }

    /// Keeps the answer, unless it belongs to an older question.
    mutating func take(_ answer: RepairAnswer, number: UInt64) {
        guard number == self.number, self.answer == nil else { return }
        self.answer = answer
    }
}
