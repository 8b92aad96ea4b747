/// Hands out the numbers of requests, none of them twice on a connection.
public struct RequestIDs: Sendable {
    /// Behind it numbers begin anew; a connection that lives to see it has long ended the first.
    public static let last = Int32.max - 1

    private var upcoming: Int32 = 1

    public init() {}

    public mutating func next() -> Int32 {
        let id = upcoming
        upcoming = id >= Self.last ? 1 : id + 1
        return id
    }

    /// The server wants numbers from here on; smaller ones were used by this client before.
    public mutating func begin(at id: Int32) {
        upcoming = min(max(upcoming, id), Self.last)
    }
}
