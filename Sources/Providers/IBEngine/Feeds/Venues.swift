internal import IBProtocol
internal import MarketModel
internal import Primitives

/// The venues of the wanted instruments, each with its number. A venue is a kind, an exchange and a
/// currency.
struct Venues: Sendable {
    private struct Key: Hashable {
        var kind: SecurityKind
        var exchange: String
        var currency: String
    }

    private var numbers: [Key: Int] = [:]
    /// By the number of the venue.
    private var activities: [VenueActivity] = []

    /// Returns the number of the contract's venue.
    mutating func number(of contract: Contract) -> Int {
        let key = Key(
            kind: contract.kind, exchange: contract.exchange, currency: contract.currency)
        if let known = numbers[key] { return known }
        numbers[key] = activities.count
        activities.append(VenueActivity())
        return activities.count - 1
    }

    subscript(number: Int) -> VenueActivity {
        @inline(__always) _read { yield activities[number] }
        @inline(__always) _modify { yield &activities[number] }
    }

    /// Leaves out the present pauses.
    mutating func rest() {
        for number in activities.indices { activities[number].rest() }
    }

    /// Returns whether data of the venue have come that were sent after this time, monotonic.
    func haveCome(since time: MonotonicTime, of venue: Int) -> Bool {
        activities[venue].last > time + EngineLimits.straggling
    }

    /// The same for any venue.
    func haveCome(since time: MonotonicTime) -> Bool {
        activities.indices.contains { haveCome(since: time, of: $0) }
    }
}
