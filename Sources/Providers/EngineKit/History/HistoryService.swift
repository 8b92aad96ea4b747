package import MarketModel
package import Primitives

/// A request of a load, by whose number its answer comes back.
package protocol HistoryRequest: Sendable {
    var number: UInt64 { get }
    /// How long the next request waits after it, in nanoseconds: what it costs of the service's
    /// limit.
    var interval: Int64 { get }
}

/// A request for a page of a past, over HTTP.
package protocol PastRequest: HistoryRequest {
    /// The path of its address, and its query, encoded.
    var target: String { get }
}

/// What a service brings to a load of its past: how its symbols are called, how a part of them is
/// asked for, and how an answer is read. It decides nothing, and has no clock and no connection.
package protocol HistoryService: Sendable {
    associatedtype Request: HistoryRequest
    /// What an answer is before it is read: the bytes of a page, or messages.
    associatedtype Answer: Sendable
    /// Where a symbol is beside what all services have: an id, the token of a page.
    associatedtype Place: Sendable
    typealias Feed = HistoryFeed<Place>

    var limits: RequestLimits { get }
    /// How long the end of a range has to be over, in nanoseconds.
    var leastAge: Int64 { get }

    /// Returns the service's symbol of an instrument.
    func name(of instrument: Instrument) -> String
    /// Returns why an instrument cannot be loaded; `nil`: it can.
    func problem(of instrument: Instrument) -> String?
    /// Returns where a symbol begins. `feed.last` is the last one on the tape.
    func place(of instrument: Instrument, after last: LastOfHistory?) -> Place
    /// Returns the next request of a symbol.
    func request(_ number: UInt64, for feed: Feed) -> Request
    /// Reads an answer to the last request of a symbol into it. Returns what is wrong with the
    /// answer; `nil`: nothing.
    func take(_ answer: Answer, into feed: inout Feed, _ now: Moment) -> String?
    /// Returns what is missing between the last one of a symbol and this one; `nil`: nothing is, or
    /// nothing shows it.
    func missing(
        before item: HistoryItem, after last: LastOfHistory, of feed: Feed
    ) -> (from: Timestamp, detail: String)?
    /// The last request of a symbol was refused. Returns whether the next one asks in another way,
    /// as by a time instead of the token of a page. Otherwise the load fails.
    func asksOtherwise(for feed: inout Feed) -> Bool
}

extension HistoryService {
    package var leastAge: Int64 { HistoryLimits.leastAge }

    package func problem(of instrument: Instrument) -> String? { nil }

    package func missing(
        before item: HistoryItem, after last: LastOfHistory, of feed: Feed
    ) -> (from: Timestamp, detail: String)? { nil }

    package func asksOtherwise(for feed: inout Feed) -> Bool { false }
}
