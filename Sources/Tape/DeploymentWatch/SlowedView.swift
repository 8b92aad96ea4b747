internal import Membership
package import Primitives

/// The group that a source waits for, or has quotes conflated for, because it is too far behind the
/// tape, as the gateway reports it.
package struct SlowedView: Equatable, Sendable {
    package let group: String
    /// The number of ticks and bars that it has not read.
    package let ticks: UInt64
    package let since: String
    /// The shortest time between two quotes of a symbol; `nil`: the source waits.
    package let quoteMilliseconds: UInt64?

    /// `gateway` is the section of its `/status`. `nil` if the source neither waits nor conflates.
    package init?(_ gateway: JSONValue) {
        guard let slowed = gateway["slowed"], let group = slowed["group"]?.string else {
            return nil
        }
        self.group = group
        ticks = slowed["lag"]?.uint64 ?? 0
        since = slowed["since"]?.string ?? ""
        quoteMilliseconds = slowed["quote_interval_ms"]?.uint64
    }

    /// What a person reads: `waits for the store: 1.2 million ticks behind`, or `takes one quote
    /// per symbol and 250 ms: the store is 1.2 million ticks behind`.
    package var text: String {
        let isStore = GroupName(group)?.isStore == true
        let who = isStore ? "the \(group)" : "group \(group)"
        let behind = "\(Self.count(ticks)) ticks behind"
        guard let quoteMilliseconds else { return "waits for \(who): \(behind)" }
        return "takes one quote per symbol and \(quoteMilliseconds) ms: \(who) is \(behind)"
    }

    /// Returns a number in words from a million on, with one digit after the point.
    private static func count(_ ticks: UInt64) -> String {
        guard ticks >= 1_000_000 else { return "\(ticks)" }
        let tenths = ticks / 100_000
        return "\(tenths / 10).\(tenths % 10) million"
    }

    package func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("group", group)
            json.member("lag", ticks)
            json.member("since", since)
            if let quoteMilliseconds { json.member("quoteIntervalMs", quoteMilliseconds) }
        }
    }
}
