package import MarketModel
package import Primitives

/// A provider's service as a machine: what happens goes in, and records, wishes and notes come out.
/// It has no clock, no socket and no key.
package protocol ProviderEngine: Sendable {
    /// An instrument to begin.
    associatedtype Begun: Sendable = BegunInstrument
    associatedtype Output: EngineOutput
    /// What becomes of a request.
    associatedtype Answer: Sendable = StreamAnswer
    associatedtype Status: StreamStatus

    /// Changes what is wanted. `gaps` are those that an earlier process left.
    mutating func follow(
        begun: [Begun], ended: [UInt32], gaps: [OpenGap], _ now: Moment, into out: inout Output)
    /// Begins one kind of an instrument's data again.
    mutating func restart(_ instrument: UInt32, _ kind: DataKind)
    /// A request has an answer, or will have none.
    mutating func answered(
        _ number: UInt64, _ answer: Answer, _ now: Moment, into out: inout Output)
    /// What had arrived was handed in: the floor moves.
    mutating func drained(_ now: Moment, into out: inout Output)
    /// Does what is due.
    mutating func timePassed(_ now: Moment, into out: inout Output)
    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    mutating func stop(_ now: Moment, into out: inout Output)
    /// Returns how far the service's clock is certainly ahead, since the last call; `nil`: nothing
    /// is known.
    mutating func takeClockAhead() -> Int64?
    /// The next moment at which `timePassed` has something to do.
    var nextDue: MonotonicTime { get }
    var status: Status { get }
    /// Returns the service's limits, and what waits for each.
    func limits(_ now: MonotonicTime) -> [ProviderLimit]
}

/// An engine of a service that streams. Connections have the numbers that the engine gives them.
package protocol StreamEngine: ProviderEngine {
    /// A connection is open.
    mutating func opened(_ number: UInt32, _ now: Moment, into out: inout Output)
    /// A frame came on a connection.
    mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: UInt32, _ now: Moment,
        into out: inout Output)
    /// A connection has ended, or was not made.
    mutating func ended(_ number: UInt32, _ why: String, _ now: Moment, into out: inout Output)
}

// What most engines have no part in.
extension ProviderEngine {
    package mutating func restart(_ instrument: UInt32, _ kind: DataKind) {}

    package mutating func answered(
        _ number: UInt64, _ answer: Answer, _ now: Moment, into out: inout Output
    ) {}

    package mutating func drained(_ now: Moment, into out: inout Output) {}

    package mutating func takeClockAhead() -> Int64? { nil }
}

/// What became of a request over HTTP.
package typealias StreamAnswer = FetchOutcome<[UInt8]>

/// What an engine leaves for its shell to do, in this order: the wishes, the records with their
/// floor, the notes.
package protocol EngineOutput: Sendable {
    associatedtype Wish: Sendable
    associatedtype Note: Sendable

    var wishes: [Wish] { get set }
    var records: [ProviderRecord] { get set }
    /// No later record has an earlier event time, but for trades that are reported late and bars
    /// that are sent again; undefined: not known yet.
    var floor: Timestamp { get }
    /// Something for the log.
    var notes: [Note] { get set }
    /// How many notes were left out because more came than wait.
    var notesLost: UInt64 { get set }

    init()
}

/// The output of an engine that streams.
package struct StreamOutput<Wish: Sendable, Note: Sendable>: EngineOutput {
    /// Notes that wait for a report. Beyond it they are only counted.
    private static var notesMax: Int { 256 }

    package var wishes: [Wish] = []
    package var records: [ProviderRecord] = []
    package var floor = Timestamp.undefined
    package var notes: [Note] = []
    package var notesLost: UInt64 = 0

    package init() {}

    /// Adds a note, as long as there is room.
    package mutating func note(_ note: Note) {
        if notes.count < Self.notesMax { notes.append(note) } else { notesLost &+= 1 }
    }
}

/// The state of the market's connection.
package enum StreamState: String, CaseIterable, Sendable {
    /// Waiting for the next attempt, or nothing is wanted.
    case closed
    case connecting
    /// Connected and authenticated; subscriptions are under way or confirmed.
    case ready
    /// The service does not take the key, or the account lacks what is needed.
    case refused
    /// Another session of the account is there, or was cut off just now.
    case occupied
    /// Two connections, of which the younger takes over.
    case renewing
}

/// The present state, for metrics and pages.
package protocol StreamStatus: Sendable {
    associatedtype State: RawRepresentable<String>, CaseIterable, Sendable = StreamState
    associatedtype Counters: StreamCounters

    var state: State { get }
    var failures: Int { get }
    var reason: String { get }
    var feeds: [ShownFeed] { get }
    var counters: Counters { get }
}

/// Counts since the engine began.
package protocol StreamCounters: Sendable {
    init()
}
