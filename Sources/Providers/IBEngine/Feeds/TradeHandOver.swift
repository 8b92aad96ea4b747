internal import Primitives

/// The choice between the two feeds that have an instrument's trades: level 1 and the tick-by-tick
/// feed. Trades are handed over between them at a whole second of event time, so that each trade is
/// delivered once. `FeedMachine` changes the phase when a feed begins or stops, and asks for each
/// trade which feed delivers it. All times are event times.
struct TradeHandOver: Sendable {
    enum Phase: Hashable, Sendable {
        /// No hand-over is in progress. The feed that has trades among its `kinds` delivers all of
        /// them. `handOver` leads to `handingOver`, `giveBack` to `givenBack`.
        case settled
        /// Both feeds deliver: level 1 the trades before this time, the tick-by-tick feed the
        /// others. `settle` and `takeOver` lead to `settled`, `giveBack` to `givenBack`.
        case handingOver(at: Timestamp)
        /// Trades do not come tick by tick any more. Level 1 delivers those from `from` on again,
        /// and those before `until`, which it had not handed over yet; `nil`: it had handed over
        /// all. `takeOver` leads to `settled`.
        case givenBack(from: Timestamp, until: Timestamp?)
    }

    private(set) var phase = Phase.settled
    /// Level 1 delivers no trade from before this time, however late the trade comes: it was
    /// delivered tick by tick.
    private var level1Began = Timestamp(nanoseconds: Int64.min)

    /// Notes that the tick-by-tick feed has begun. It delivers all trades, unless a call of
    /// `handOver` follows.
    mutating func takeOver() {
        if case .givenBack(let from, _) = phase { level1Began = from }
        phase = .settled
    }

    /// Begins a hand-over: level 1 still delivers the trades before this time.
    mutating func handOver(at time: Timestamp) { phase = .handingOver(at: time) }

    /// Ends the hand-over: no trade from before it can come any more.
    mutating func settle() { phase = .settled }

    /// Lets level 1 deliver the trades from this second on, because the tick-by-tick feed has
    /// stopped.
    mutating func giveBack(from second: Timestamp) {
        switch phase {
        case .settled: phase = .givenBack(from: second, until: nil)
        case .handingOver(let until): phase = .givenBack(from: second, until: until)
        case .givenBack(_, let until): phase = .givenBack(from: second, until: until)
        }
    }

    /// Returns whether a trade of this time is left to level 1 although it came tick by tick.
    @inline(__always)
    func isLevel1Alone(tradeAt time: Timestamp) -> Bool {
        switch phase {
        case .settled: false
        case .handingOver(let until): time < until
        case .givenBack(let from, let until): time >= from || until.map { time < $0 } ?? false
        }
    }

    /// Returns whether level 1 delivers a trade of this time. In `settled` that is only true if
    /// trades are among its `kinds`, which the caller checks.
    @inline(__always)
    func isLevel1(tradeAt time: Timestamp) -> Bool {
        time >= level1Began && (phase == .settled || isLevel1Alone(tradeAt: time))
    }
}
