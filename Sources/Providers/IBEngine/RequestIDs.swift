/// Gives requests their numbers, none of them twice on a connection.
package struct RequestIDs: Sendable {
    /// The last number; 1 comes after it. A connection that gets so far has long ended its first
    /// requests.
    package static let last = Int32.max - 1

    private var upcoming: Int32 = 1

    package init() {}

    /// Returns the next number.
    package mutating func next() -> Int32 {
        let id = upcoming
        upcoming = id >= Self.last ? 1 : id + 1
        return id
    }

    /// Continues with a number that the server gives. This client used smaller ones before.
    package mutating func begin(at id: Int32) {
        upcoming = min(max(upcoming, id), Self.last)
    }
}
