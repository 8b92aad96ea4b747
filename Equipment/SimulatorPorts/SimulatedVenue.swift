package import Primitives
package import VenueWeb

/// The other side of a provider without sockets: bytes and times come in, bytes go out.
package protocol SimulatedVenue {
    /// True after a command that ends the program.
    var isEnding: Bool { get }
    /// True after a command that kills the program, once its logs are complete.
    var isCrashing: Bool { get }

    /// Returns false if the connection must be closed immediately.
    mutating func opened(_ connection: Int, now: Timestamp) -> Bool
    mutating func received(_ bytes: [UInt8], from connection: Int, now: Timestamp)
    mutating func closed(_ connection: Int)

    /// Returns how many bytes may be sent to this client now.
    func allowance(of connection: Int, now: Timestamp) -> Int
    func bytes(for connection: Int, count: Int) -> ArraySlice<UInt8>
    /// Takes note that `count` bytes were sent.
    mutating func sent(_ count: Int, to connection: Int, now: Timestamp)
    /// Returns true if nothing more will be sent to this client.
    func isOver(_ connection: Int) -> Bool

    /// Runs the market until `now`.
    mutating func advance(to now: Timestamp)
    /// Takes one line of the control port and returns the answer.
    mutating func control(_ line: String, now: Timestamp) -> String
    /// Returns the new lines of the log of what was sent.
    mutating func takeTruth() -> [UInt8]
    /// Returns the new lines of the log of what happened in the market.
    mutating func takeMarketLog() -> [UInt8]
}

extension WebVenue: SimulatedVenue {}

extension WebSettings {
    /// The same, with the logs that the flags name.
    package func keeping(_ flags: SimulatorFlags) -> WebSettings {
        var settings = self
        settings.keepsTruth = flags.truth != nil
        settings.keepsMarketLog = flags.marketLog != nil
        return settings
    }
}

extension SimulatorFlag {
    /// The flags of connections that venues on the web have.
    package static func connection(_ path: WritableKeyPath<Arguments, WebSettings>) -> [Self] {
        [
            .number(
                "--lifetime", of: "SECONDS", 1...86_400, path.appending(path: \.lifetimeSeconds),
                "of a connection, 86400 if not given"),
            .number(
                "--ping", of: "SECONDS", 1...3_600, path.appending(path: \.pingSeconds),
                "between two pings, 20 if not given"),
        ]
    }
}
