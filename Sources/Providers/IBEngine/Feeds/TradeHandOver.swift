internal import Primitives

/// Decides which of two feeds delivers a trade of an instrument: level 1 or the tick-by-tick feed.
/// Both have the same trades. Trades are handed over between them at a whole second of event time,
/// so that each trade is delivered once.
struct TradeHandOver: Sendable {
    enum Phase: Hashable, Sendable {
        /// No hand-over is in progress. The feed that has trades among its `kinds` delivers all of
        /// them.
        case settled
        /// Level 1 hands trades over: from this time on they are taken tick by tick.
        case handingOver(at: Timestamp)
        /// Trades do not come tick by tick any more. Level 1 delivers those from `from` on again,
        /// and those before `until`, which it had not handed over yet.
        case givenBack(from: Timestamp, until: Timestamp?)
    }

    private(set) var phase = Phase.settled
    /// When level 1 last began to deliver trades. It delivers no earlier ones, however late they
    /// come.
    private var level1Began = Timestamp(nanoseconds: Int64.min)

    /// The tick-by-tick feed has begun. It delivers all trades, unless `handOver` sets a time.
    mutating func takeOver() {
        if case .givenBack(let from, _) = phase { level1Began = from }
        phase = .settled
    }

    /// Level 1 still delivers the trades before this time.
    mutating func handOver(at time: Timestamp) { phase = .handingOver(at: time) }

    /// Ends the hand-over: no trade from before it can come any more.
    mutating func settle() { phase = .settled }

    /// Level 1 delivers the trades from this second on, because the tick-by-tick feed has ended.
    mutating func giveBack(from second: Timestamp) {
        switch phase {
        case .settled: phase = .givenBack(from: second, until: nil)
        case .handingOver(let until): phase = .givenBack(from: second, until: until)
        case .givenBack(_, let until): phase = .givenBack(from: second, until: until)
        }
    }

    /// Returns whether the tick-by-tick feed leaves a trade of this time to level 1.
    @inline(__always)
    func isLevel1Alone(tradeAt time: Timestamp) -> Bool {
        switch phase {
        case .settled: false
        case .handingOver(let until): time < until
        case .givenBack(let from, let until): time >= from || until.map { time < $0 } ?? false
        }
    }

    /// Returns whether level 1 delivers a trade of this time, and the tick-by-tick feed does not.
    @inline(__always)
    func isLevel1(tradeAt time: Timestamp) -> Bool {
        time >= level1Began && (phase == .settled || isLevel1Alone(tradeAt: time))
    }
}
