internal import IBProtocol
internal import ProviderModel

/// The further values that level 1 is asked for with: all that are wanted, and with fewer and fewer
/// where the provider refuses the request because of one of them.
struct GenericTicks: Sendable {
    static let realTimeVolume = "233"
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
        // Single values first; then headlines, which an account may not have; trades last.
        let fewer = [
            all, all.filter { $0 == Self.realTimeVolume || $0 == Self.news },
            all.filter { $0 == Self.realTimeVolume }, [],
        ]
        steps = fewer.reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }

    /// How often the request can be made with fewer.
    var leavingOutMax: Int { steps.count - 1 }

    subscript(leftOut: Int) -> [String] { steps[min(leftOut, leavingOutMax)] }
}
