package import MarketModel
package import Primitives

/// What an engine wants of its shell. Connections have the numbers that the engine gives them.
package enum StreamWish: Hashable, Sendable {
    /// Opens a connection for a link, by its number.
    case open(UInt32, link: Int = 0)
    /// Sends the key, which the engine does not know.
    case authenticate(UInt32)
    case send(UInt32, String)
    /// No event of the connection is wanted any more.
    case close(UInt32)
    /// Asks for past trades.
    case fetch(StreamFetch)
}

/// A request for past trades of a symbol, or for something else of its service.
package struct StreamFetch: PastRequest, Hashable, Sendable {
    package let number: UInt64
    package let target: String
    package let symbol: String
    /// The first time, and the one after the last; undefined: they are not asked for by times.
    package let span: Range<Timestamp>

    package init(
        number: UInt64, target: String, symbol: String,
        span: Range<Timestamp> = .undefined ..< .undefined
    ) {
        self.number = number
        self.target = target
        self.symbol = symbol
        self.span = span
    }

    /// The engine itself paces its requests.
    package var interval: Int64 { 0 }
}

/// Something for the log.
package enum StreamNote: Hashable, Sendable {
    /// `reason`: why it is so; empty: nothing more is to be said.
    case state(StreamState, reason: String = "")
    /// An attempt failed, or the connection of a link ended. `isAlone`: no other one delivers.
    case lost(link: Int, failures: Int, reason: String, isAlone: Bool = true)
    /// The service takes neither the key nor the plan that this needs.
    case refusedAccount(reason: String)
    /// The service refused a request.
    case refusedRequest(reason: String)
    case refused(instrument: UInt32, reason: String)
    /// A gap has ended: so many trades came on request, and so many ids stay missing.
    case filled(instrument: UInt32, added: UInt64, lost: UInt64)
    /// Something else that a person may have to look at. `nil`: it is of no single instrument.
    case trouble(instrument: UInt32?, String)
    case skipped(StreamSkip)
}

/// Why a message was left out.
package enum StreamSkip: String, CaseIterable, Sendable {
    /// A symbol that was not asked for, or not any more.
    case stray
    /// A kind that is not read here.
    case unknown
    /// A halt code that says nothing of a halt.
    case status
    /// A trade or a quote that is on the tape already.
    case double
    /// It cannot be read, or is no text.
    case malformed
    case binary
    /// A trade without one of its fields, or with one that is none.
    case fields
    /// A block trade: made outside of the book, with ids of its own.
    case block
}

/// A message of a service. `header.symbol` is not set.
package enum StreamMessage: Sendable {
    case trade(feed: Int, Trade)
    case quote(feed: Int, Quote)
    /// Something rarer, which the reader keeps: it is larger.
    case beside
    /// Something about the connection, which the reader keeps.
    case control
    case skipped(StreamSkip)
}
