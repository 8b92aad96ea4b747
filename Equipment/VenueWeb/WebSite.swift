package import Primitives

/// What one venue adds to the server that all share: its requests, its messages, its market.
package protocol WebSite: Sendable {
    /// What it knows about the client of one connection.
    associatedtype Session: Sendable
    typealias Connection = WebConnection<Session>

    /// The commands that only this venue has, separated by ` | `; empty: none.
    static var ownCommands: String { get }
    var settings: WebSettings { get }
    var seed: UInt64 { get }

    /// Returns what is known about a client that has just connected.
    func newSession() -> Session

    // MARK: requests

    mutating func answer(_ request: VenueRequest, now: Timestamp) -> HTTPAnswer
    /// Returns the answer to a request that a command has the venue refuse.
    func refusal(_ request: VenueRequest, status: Int) -> HTTPAnswer

    // MARK: WebSockets

    /// Begins a WebSocket: returns the answer to its request, which is 101, or refuses it.
    func upgrade(_ request: VenueRequest, of session: inout Session) -> HTTPAnswer
    /// Takes note that a WebSocket has begun.
    mutating func began(_ connection: inout Connection, now: Timestamp)
    mutating func received(_ message: [UInt8], from connection: inout Connection, now: Timestamp)
    /// Does what is due for a WebSocket.
    mutating func timePassed(_ connection: inout Connection, now: Timestamp)
    mutating func ended(_ connection: Connection, now: Timestamp)
    /// Returns a record of the venue that ends in the middle.
    func badFrame(for session: Session) -> WebSocketFrame
    /// Returns the message that the server will end; `nil`: the venue has none.
    func shutdownFrame(for session: Session, now: Timestamp) -> WebSocketFrame?
    /// Returns how many streams a client has subscribed to.
    func streams(of session: Session) -> Int

    // MARK: the market

    /// Lets happen what is after one time until another, and sends it.
    mutating func publish(after: Timestamp, until: Timestamp, to connections: inout [Connection])
    /// Carries out a command of its own. Returns the answer; `nil`: it has no such command.
    mutating func control(_ name: String, _ numbers: [Int], now: Timestamp) -> String?
    mutating func takeMarketLog() -> [UInt8]
}

// Most venues need only some of it.
extension WebSite {
    package static var ownCommands: String { "" }
    package func upgrade(_ request: VenueRequest, of session: inout Session) -> HTTPAnswer {
        HTTPAnswer(status: 404)
    }
    package mutating func began(_ connection: inout Connection, now: Timestamp) {}
    package mutating func received(
        _ message: [UInt8], from connection: inout Connection, now: Timestamp
    ) {}
    package mutating func timePassed(_ connection: inout Connection, now: Timestamp) {}
    package mutating func ended(_ connection: Connection, now: Timestamp) {}
    package func badFrame(for session: Session) -> WebSocketFrame { .text(Array("{\"".utf8)) }
    package func shutdownFrame(for session: Session, now: Timestamp) -> WebSocketFrame? { nil }
    package func streams(of session: Session) -> Int { 0 }
    package mutating func control(_ name: String, _ numbers: [Int], now: Timestamp) -> String? {
        nil
    }
}
