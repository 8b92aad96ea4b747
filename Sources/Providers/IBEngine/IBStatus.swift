public import IBProtocol
public import Primitives

public struct FeedStatus: Hashable, Sendable {
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// To be asked for.
        case waiting
        /// Asked for; nothing has come yet.
        case asked
        case live
        /// It was live, and an outage lasts.
        case interrupted
        /// All lines of the account are in use.
        case waitingForLines = "waiting-for-lines"
        /// It failed and is tried again.
        case down
        /// It will be refused again until somebody changes something; tried again now and then.
        case refused
        /// It came as a whole, and will be asked for again another day.
        case done
    }

    public var feed: FeedKind
    public var state: State
    /// Empty when there is nothing to say.
    public var reason: String
    /// When it is tried again, monotonic; `Int64.max`: nothing is waited for.
    public var until: Int64
}

public struct InstrumentStatus: Hashable, Sendable {
    public var instrument: UInt32
    public var symbol: String
    public var feeds: [FeedStatus]
}

public struct EngineCounters: Hashable, Sendable {
    public var messages: UInt64 = 0
    public var unknownMessages: UInt64 = 0
    /// By what was wrong with them.
    private var skipped: [FieldFault: UInt64] = [:]
    /// Numbers that the tape's scale does not hold: rounded, or undefined when they are too large.
    public var lostNumbers: UInt64 = 0
    /// Exchanges, conditions and market makers that were cut to the length a tick holds.
    public var cutTexts: UInt64 = 0
    /// Of subscriptions that have ended already.
    public var strayMessages: UInt64 = 0
    /// Live records below the floor: they came later than any delay allows for.
    public var lateRecords: UInt64 = 0
    public var connections: UInt64 = 0
    public var resubscriptions: UInt64 = 0
    public var outagesBegun: UInt64 = 0
    public var outagesEnded: UInt64 = 0

    /// Messages that are not as their kind should be.
    public var skippedMessages: UInt64 { skipped.values.reduce(0, &+) }

    public func skipped(_ fault: FieldFault) -> UInt64 { skipped[fault] ?? 0 }

    mutating func skip(_ fault: FieldFault) { skipped[fault, default: 0] &+= 1 }

    /// What one connection's decoder has met goes on to count behind it.
    mutating func add(_ decoder: DecodeCounters?) {
        guard let decoder else { return }
        lostNumbers &+= decoder.lostNumbers
        cutTexts &+= decoder.cutTexts
    }
}

/// What the engine does at the moment.
public struct IBStatus: Sendable {
    public var state: SessionState
    public var reason: String
    /// Monotonic.
    public var since: Int64
    /// Monotonic; nil while connected.
    public var nextAttempt: Int64?
    public var failures: Int
    public var serverVersion: Int?
    public var instruments: [InstrumentStatus]
    public var linesUsed: Int
    public var openOutages: Int
    public var waitingBackfills: Int
    public var pacing: [PacingMachine.Waiting]
    public var clockDifference: Int64
    public var floor: Timestamp
    public var counters: EngineCounters
}
