package import MarketModel
package import Primitives

/// A service's stream as a machine: what happens goes in, and records, wishes and notes come out.
/// It has no clock, no socket and no key. Connections have the numbers that the engine gives them.
package protocol StreamEngine: Sendable {
    associatedtype Wish: Sendable
    associatedtype Note: Sendable
    associatedtype Status: StreamStatus

    /// Changes what is wanted. `gaps` are those that an earlier process left.
    mutating func follow(
        begun: [BegunInstrument], ended: [UInt32], gaps: [OpenGap], _ now: Moment,
        into out: inout StreamOutput<Wish, Note>)
    /// A connection is open.
    mutating func opened(
        _ number: UInt32, _ now: Moment, into out: inout StreamOutput<Wish, Note>)
    /// A frame came on a connection.
    mutating func received(
        _ bytes: RawSpan, isText: Bool, on number: UInt32, _ now: Moment,
        into out: inout StreamOutput<Wish, Note>)
    /// A connection has ended, or was not made.
    mutating func ended(
        _ number: UInt32, _ why: String, _ now: Moment, into out: inout StreamOutput<Wish, Note>)
    /// A request has an answer, or will have none.
    mutating func answered(
        _ number: UInt64, _ answer: StreamAnswer, _ now: Moment,
        into out: inout StreamOutput<Wish, Note>)
    /// What had arrived was handed in: the floor moves.
    mutating func drained(_ now: Moment, into out: inout StreamOutput<Wish, Note>)
    /// Does what is due.
    mutating func timePassed(_ now: Moment, into out: inout StreamOutput<Wish, Note>)
    /// Ends everything: gaps without an end, then the ends of the subscriptions.
    mutating func stop(_ now: Moment, into out: inout StreamOutput<Wish, Note>)
    /// Returns how far the service's clock is certainly ahead, since the last call; `nil`: nothing
    /// is known.
    mutating func takeClockAhead() -> Int64?
    /// The next moment at which `timePassed` has something to do.
    var nextDue: MonotonicTime { get }
    var status: Status { get }
    /// Returns the service's limits, and what waits for each.
    func limits(_ now: MonotonicTime) -> [ProviderLimit]
}

extension StreamEngine {
    /// Does nothing: most engines make no requests.
    package mutating func answered(
        _ number: UInt64, _ answer: StreamAnswer, _ now: Moment,
        into out: inout StreamOutput<Wish, Note>
    ) {}
}

/// What became of a request over HTTP.
package typealias StreamAnswer = FetchOutcome<[UInt8]>

/// What an engine leaves for its shell to do, in this order: the wishes, the records with their
/// floor, the notes.
package struct StreamOutput<Wish: Sendable, Note: Sendable>: Sendable {
    /// Notes that wait for a report. Beyond it they are only counted.
    private static var notesMax: Int { 256 }

    package var wishes: [Wish] = []
    package var records: [ProviderRecord] = []
    /// No later record has an earlier event time, but for trades that are reported late and bars
    /// that are sent again; undefined: not known yet.
    package var floor = Timestamp.undefined
    package var notes: [Note] = []
    package var notesLost: UInt64 = 0

    package init() {}

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
}

/// The present state, for metrics and pages.
package protocol StreamStatus: Sendable {
    associatedtype Counters: StreamCounters

    var state: StreamState { get }
    var failures: Int { get }
    var reason: String { get }
    var feeds: [ShownFeed] { get }
    var counters: Counters { get }
}

/// Counts since the engine began.
package protocol StreamCounters: Sendable {
    associatedtype Skip: RawRepresentable<String>, CaseIterable, Sendable

    init()
    func skipped(_ reason: Skip) -> UInt64
}
