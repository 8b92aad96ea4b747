internal import Primitives

/// Who tells of an instrument's trades while level 1 and the feed that has them one by one take
/// turns. Each trade is told by one of them.
struct TradeHandOver: Sendable {
    enum Phase: Hashable, Sendable {
        /// The one that has them tells of all.
        case settled
        /// Level 1 hands them over: from this time on they are told one by one.
        case handingOver(at: Timestamp)
        /// They are told one by one no more: from `from` on level 1 tells of them again, and of
        /// those before `until`, which it had not handed over yet.
        case givenBack(from: Timestamp, until: Timestamp?)
    }

    private(set) var phase = Phase.settled
    /// When level 1 last began to tell of them: of earlier ones none comes by it, however late.
    private var level1Began = Timestamp(nanoseconds: Int64.min)

    /// They come one by one, at once or from a time on.
    mutating func takeOver() {
        if case .givenBack(let from, _) = phase { level1Began = from }
        phase = .settled
    }

    mutating func handOver(at time: Timestamp) { phase = .handingOver(at: time) }

    mutating func settle() { phase = .settled }

    mutating func giveBack(from second: Timestamp) {
        switch phase {
        case .settled: phase = .givenBack(from: second, until: nil)
        case .handingOver(let until): phase = .givenBack(from: second, until: until)
        case .givenBack(_, let until): phase = .givenBack(from: second, until: until)
        }
    }

    /// Whether the feed that has trades one by one leaves one of this time to level 1.
    @inline(__always)
    func isLevel1Alone(tradeAt time: Timestamp) -> Bool {
        switch phase {
        case .settled: false
        case .handingOver(let until): time < until
        case .givenBack(let from, let until): time >= from || until.map { time < $0 } ?? false
        }
    }

    /// Whether level 1 tells of a trade of this time, and not the feed that has them one by one.
    @inline(__always)
    func isLevel1(tradeAt time: Timestamp) -> Bool {
        time >= level1Began && (phase == .settled || isLevel1Alone(tradeAt: time))
    }
}
