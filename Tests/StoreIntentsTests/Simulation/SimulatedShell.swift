import StoreIntents
import TapeCodec

/// One tenure of one member for one record: the machine, and what its shell knows.
struct SimulatedShell {
    let place: Int
    let member: Int
    let epoch: UInt64
    var machine: IntentMachine
    var isAlive = true
    /// The rows of the batches that it made.
    var rows: [StoreIntent: [SimulatedRow]] = [:]
    /// Where its next batch begins, once batches may be offered.
    var readAfter: TapePosition??
    /// The insert that is under way.
    var insert: Insert?
    /// The number of its last call. Answers to earlier parts of an insert are recognised by it.
    var calls = 0
    /// How many inserts it ordered after another owner had claimed.
    var insertsAfterClaim = 0
    /// What happens to it while its process is paused.
    var waiting: [IntentWorld.Event] = []

    struct Insert {
        var attempt: UInt64
        var order: IntentMachine.Insert
        var parts: [SimulatedPart]
        /// The number of blocks when the store said that it lacks the part; `nil`: not asked.
        var lackedAt: Int?
        /// The part's call that is out; 0: none.
        var call = 0
    }
}

/// A process that may own records.
struct SimulatedProcess {
    /// How many packets its batches have.
    var packetsMax: Int
    /// The layouts by which it can make rows. It makes new ones by the last.
    var layouts: [UInt64]
    var pausedUntil: Int64 = 0
    var recordsCutUntil: Int64 = 0
    var storeCutUntil: Int64 = 0
}

/// The moments at which processes are killed or paused on purpose.
enum KillPoint: CaseIterable {
    case beforeIntent
    case afterIntent
    case afterInsert
    case beforePosition
}

/// The situations that a world has met. Many worlds together must meet all of them.
struct IntentCounts {
    var kills: [KillPoint: Int] = [:]
    var pauses: [KillPoint: Int] = [:]
    /// Declared batches that another tenure made again.
    var replays = 0
    /// Of these, those that its settings would have cut elsewhere, and those of another layout than
    /// its newest one.
    var otherBounds = 0
    var otherLayouts = 0
    /// Processes that do not know the layout of a declared batch.
    var unmakeable = 0
    var fenced = 0
    var released = 0
    var conflicts = 0
    /// Inserts that arrived after another owner had claimed.
    var lateInserts = 0
    /// Parts that a repeat found stored, and of these, those whose token the store had forgotten.
    var found = 0
    var forgotten = 0
    /// Inserts that the store dropped by their token, and those that it ended.
    var dropped = 0
    var ended = 0
    /// Batches without rows, and positions that were stored together with the next intent.
    var rowless = 0
    var joined = 0
    /// Damaged records that were noticed, and worlds that were complete in spite of one.
    var noticed = 0
    var completed = 0

    /// All of them, by name, but those of damaged records.
    var situations: [(String, Int)] {
        KillPoint.allCases.flatMap {
            [("killed \($0)", kills[$0] ?? 0), ("paused \($0)", pauses[$0] ?? 0)]
        } + [
            ("replays", replays), ("other bounds", otherBounds), ("other layouts", otherLayouts),
            ("unmakeable", unmakeable), ("fenced", fenced), ("released", released),
            ("conflicts", conflicts), ("late inserts", lateInserts), ("found", found),
            ("forgotten", forgotten), ("dropped", dropped), ("ended", ended),
            ("rowless", rowless), ("joined", joined),
        ]
    }

    mutating func add(_ other: IntentCounts) {
        kills.merge(other.kills) { $0 + $1 }
        pauses.merge(other.pauses) { $0 + $1 }
        replays += other.replays
        otherBounds += other.otherBounds
        otherLayouts += other.otherLayouts
        unmakeable += other.unmakeable
        fenced += other.fenced
        released += other.released
        conflicts += other.conflicts
        lateInserts += other.lateInserts
        found += other.found
        forgotten += other.forgotten
        dropped += other.dropped
        ended += other.ended
        rowless += other.rowless
        joined += other.joined
        noticed += other.noticed
        completed += other.completed
    }
}
