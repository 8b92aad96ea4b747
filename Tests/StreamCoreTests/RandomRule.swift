import MarketModel
import Primitives

@testable import StreamCore

/// A rule from a seed, and a calendar for its series: all kinds of windows by time, of every
/// lateness, filled or not, of trades with conditions and odd lots, or of quotes. Each third rule
/// is a plain one, whose trades take the short way.
struct RandomRule {
    let rule: BarRule
    let calendar: SessionCalendar?

    private static let second = RandomTape.second

    init(seed: UInt64) throws {
        calendar = SessionCalendar(name: "test", sessions: Self.sessions())
        guard !seed.isMultiple(of: 3) else {
            rule = BarRule(series: try barSeries(["1m", "1s", "5s"]))
            return
        }
        var random = SeededRandom(seed: seed ^ 0xca1e)
        let windows: [(String, WindowRule)] = [
            ("1s", .tumbling(width: Self.second)), ("5s", .tumbling(width: 5 * Self.second)),
            ("1m", .tumbling(width: 60 * Self.second)),
            ("6s2s", .sliding(width: 6 * Self.second, hop: 2 * Self.second)),
            ("1m20s", .sliding(width: 60 * Self.second, hop: 20 * Self.second)),
            ("day", .session(width: nil)), ("part", .session(width: 3 * Self.second)),
        ]
        var all: [BarSeries] = []
        for (name, window) in windows.shuffled(using: &random).prefix(
            Int.random(in: 1...4, using: &random))
        {
            let lateness: Int64 = [0, 5, 30, 120].randomElement(using: &random) ?? 0
            all.append(
                try series(
                    name, window, lateness: lateness * Self.second,
                    fill: Self.fill(window, using: &random)))
        }
        let fields: [InputField] = [.trade, .trade, .trade, .bid, .ask, .middle, .spread]
        var rule = BarRule(
            series: try BarSeriesSet(all), field: fields.randomElement(using: &random) ?? .trade)
        if Bool.random(using: &random) {
            rule.conditions = ConditionRules(
                name: "test",
                [
                    ("A", .volume), ("B", .last), ("C", [.range, .volume]), ("D", []),
                    ("E", .range), ("F", [.last, .volume]),
                ])
        }
        let odd = OddLotLimit.size(Quantity(raw: 20_000_000))
        rule.oddLots =
            [.count, .volumeOnly(below: odd), .exclude(below: odd)]
            .randomElement(using: &random) ?? .count
        self.rule = rule
    }

    private static func fill(
        _ window: WindowRule, using random: inout SeededRandom
    ) -> FillRule {
        switch window {
        case .tumbling, .session(width: .some):
            Bool.random(using: &random)
                ? .previousClose(max: Int.random(in: 1...12, using: &random)) : .none
        default: .none
        }
    }

    /// Sessions around both of the times at which random tapes begin. Some are adjacent, and none
    /// begins on a full second.
    private static func sessions() -> [SessionCalendar.Session] {
        [Int64(-40), 1_700_000_000].flatMap { origin in
            (-6...20).map { (number: Int64) in
                let open = (origin + number * 17) * second + 250_000_000
                let length = (number % 3 == 0 ? 17 : 11) * second
                return SessionCalendar.Session(open: open, close: open + length, day: 20_230_101)
            }
        }
    }

    var run: MachineRun { MachineRun(rule: rule, calendar: calendar) }

    /// Returns a random tape, with values that this rule reads from its ticks.
    func tape(seed: UInt64) -> [NaiveEvent] {
        var random = SeededRandom(seed: seed ^ 0x7a9e)
        return RandomTape(seed: seed).events.map { event in
            guard case .trade(var trade, let symbol, let source, let ordinal) = event else {
                return event
            }
            if Int.random(in: 0..<15, using: &random) == 0 {
                return .excluded(trade.header, symbol: symbol, source: source)
            }
            guard rule.field == .trade else {
                let bid = Bool.random(using: &random) ? trade.price : Price(raw: -3)
                // Occasionally crossed, or without one side.
                let ask =
                    Int.random(in: 0..<8, using: &random) == 0
                    ? .undefined
                    : Price(raw: bid.raw &+ Int64.random(in: -3...9, using: &random))
                return .quote(
                    Quote(
                        header: trade.header, bidPrice: bid, bidSize: trade.size, askPrice: ask,
                        askSize: trade.size),
                    symbol: symbol, source: source, ordinal: ordinal)
            }
            let texts = ["", "", "A", "B", "C", "D", "E", "F", "@", "BC", "EF", "@F"]
            trade.conditions = ShortText(texts.randomElement(using: &random) ?? "") ?? .empty
            return .trade(trade, symbol: symbol, source: source, ordinal: ordinal)
        }
    }
}
