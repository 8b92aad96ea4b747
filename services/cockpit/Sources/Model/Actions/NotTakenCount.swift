/// Adds up what processes that carry actions out say of messages that they have not taken. Each
/// counts since its own start. Pure.
struct NotTakenCount {
    /// The most processes that are remembered. At one more all are forgotten.
    static let carriersMax = 16

    private var counts: [UInt64: UInt64] = [:]

    /// Returns how many are new. What the first process had counted before is nobody's news.
    mutating func new(_ count: UInt64, of carrier: UInt64) -> UInt64 {
        let before = counts[carrier] ?? (counts.isEmpty ? count : 0)
        if counts[carrier] == nil, counts.count >= Self.carriersMax { counts = [:] }
        counts[carrier] = count
        return count > before ? count - before : 0
    }
}
