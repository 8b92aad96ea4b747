internal import IBProtocol
internal import MarketModel

/// The further values that are requested with level 1: at first all that are wanted, and fewer each
/// time the provider refuses the request because of one of them.
struct GenericTicks: Sendable {
    static let realTimeVolume = "233"
    /// The same without unreportable prints, so it shows which prints those are.
    static let realTimeTradeVolume = "375"
    static let news = "292"

    private let steps: [[String]]

    init(_ kind: SecurityKind, _ feeds: Instrument.Feeds) {
        var all = feeds.contains(.level1) ? kind.genericTicks : []
        if !feeds.contains(.level1), feeds.contains(.computations) { all = ["106"] }
        if feeds.contains(.news) {
            // Headlines only, without the market data that a request brings by default.
            if feeds.isDisjoint(with: [.level1, .computations]) { all.append("mdoff") }
            all.append(Self.news)
        }
        guard feeds.contains(.level1) else {
            steps = [all]
            return
        }
        // Single values are left out first. Then come the values that show unreported prints, and
        // headlines, which an account may not have. Trades are left out last.
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

    /// How often the request can be repeated with fewer values.
    var leavingOutMax: Int { steps.count - 1 }

    subscript(leftOut: Int) -> [String] { steps[min(leftOut, leavingOutMax)] }
}
