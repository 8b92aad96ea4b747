internal import IBProtocol
internal import MarketModel

/// The further values that level 1 is asked for with: all that are wanted, and with fewer and fewer
/// where the provider refuses the request because of one of them.
struct GenericTicks: Sendable {
    static let realTimeVolume = "233"
    /// The same without the unreportable prints: it tells which those are.
    static let realTimeTradeVolume = "375"
    static let news = "292"

    private let steps: [[String]]

    init(_ kind: SecurityKind, _ feeds: Instrument.Feeds) {
        var all = feeds.contains(.level1) ? kind.genericTicks : []
        if !feeds.contains(.level1), feeds.contains(.computations) { all = ["106"] }
        if feeds.contains(.news) {
            // Headlines alone: without the market data that a request brings by itself.
            if feeds.isDisjoint(with: [.level1, .computations]) { all.append("mdoff") }
            all.append(Self.news)
        }
        guard feeds.contains(.level1) else {
            steps = [all]
            return
        }
        // Single values first; then what tells of unreported prints, or headlines, which an account
        // may not have; trades last.
        let fewer: [Set<String>] = [
            [Self.realTimeVolume, Self.realTimeTradeVolume, Self.news],
            [Self.realTimeVolume, Self.news], [Self.realTimeVolume, Self.realTimeTradeVolume],
            [Self.realTimeVolume], [],
        ]
        steps = fewer.reduce(into: [all]) { steps, left in
            let next = all.filter { left.contains($0) }
            if !steps.contains(next) { steps.append(next) }
        }
    }

    /// How often the request can be made with fewer.
    var leavingOutMax: Int { steps.count - 1 }

    subscript(leftOut: Int) -> [String] { steps[min(leftOut, leavingOutMax)] }
}
