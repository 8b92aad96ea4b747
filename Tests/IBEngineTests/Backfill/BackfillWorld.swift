import IBEngine
import IBProtocol
import MarketModel
import Primitives

/// A market of one instrument, a feed that loses what comes in outages, and a server. The server
/// sends history in pages, refuses, does not answer, and closes the connection. A seed decides all
/// of it.
struct BackfillWorld {
    struct Outage {
        var gap: OpenGap
        /// Whether the arrivals around it are known.
        var isKnown: Bool
        /// When the machine gets it.
        var addedAt: Double
    }

    var random: SeededRandom
    let kind: DataKind
    /// The feed combines trades, and reports neither exchange nor conditions.
    let isConflated: Bool
    private let completesSeconds: Bool
    private(set) var limits = BackfillLimits()
    private(set) var market: [MarketTick] = []
    private(set) var arrived: [(tick: MarketTick, time: Double)] = []
    private(set) var outages: [Outage] = []

    init(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        kind = Bool.random(using: &random) ? .trade : .quote
        isConflated = kind == .trade && Int.random(in: 0..<4, using: &random) == 0
        completesSeconds = Bool.random(using: &random)
        limits.pageTicks = Int32.random(in: 3...40, using: &random)
        limits.requestsOpenMax = Int.random(in: 1...3, using: &random)
        // A run must not give up because of refusals and silence.
        limits.attemptsMax = 1_000
        limits.pagesMax.trades = 10_000
        limits.pagesMax.quotes = 10_000
        if Int.random(in: 0..<5, using: &random) == 0 { limits.borderTicksMax = 3 }
        self.random = random
        makeMarket()
        makeOutages()
    }

    /// Makes the market, from second 1,000 on.
    private mutating func makeMarket() {
        let busy = Int.random(in: 1...12, using: &random)
        for second in Int64(1_000)..<1_000 + Int64.random(in: 40...120, using: &random) {
            let isBurst = Int.random(in: 0..<20, using: &random) == 0
            for _ in 0..<Int.random(in: 0...(isBurst ? 60 : busy), using: &random) {
                var tick = MarketTick(
                    second, Int.random(in: 1...2, using: &random),
                    Int.random(in: 1...2, using: &random))
                if kind == .quote { tick.exchange = "" }
                if kind == .trade, Bool.random(using: &random) { tick.exchange = "IEX" }
                market.append(tick)
            }
        }
        // The market continues: later ticks prove that history is up to date.
        var last = MarketTick((market.last?.second ?? 1_000) + 40, 1)
        if kind == .quote { last.exchange = "" }
        market.append(last)
    }

    /// Makes late ticks, and outages whose ticks do not arrive. The ticks of a conflated feed
    /// cannot be compared, but their greatest delay is known and they come in order. So its outages
    /// begin earlier by that delay.
    private mutating func makeOutages() {
        let late = isConflated ? 0.4 : 1.2
        var arrivals = market.map { tick -> (tick: MarketTick, happened: Double, time: Double) in
            let happened = Double(tick.second) + Double.random(in: 0..<1, using: &random)
            return (tick, happened, happened + Double.random(in: 0...late, using: &random))
        }
        if isConflated {
            arrivals.sort { $0.happened < $1.happened }
            for index in arrivals.indices.dropFirst() {
                arrivals[index].time = max(arrivals[index].time, arrivals[index - 1].time)
            }
        }
        arrivals.sort { $0.time < $1.time }
        var time = 1_003 + Double.random(in: 0...10, using: &random)
        let end = Double(market.last?.second ?? 1_000) - 43
        var lost: [ClosedRange<Double>] = []
        while time < end {
            let back = time + Double.random(in: 0.1...12, using: &random)
            lost.append(time...back)
            time = back + Double.random(in: 0.3...25, using: &random)
        }
        let came = arrivals.filter { arrival in !lost.contains { $0.contains(arrival.time) } }
        arrived = came.map { ($0.tick, $0.time) }
        for range in lost {
            let before = came.filter { $0.time < range.lowerBound }
            let isKnown = Int.random(in: 0..<6, using: &random) > 0
            // The gap begins after the connection's last message or the last tick. A gap from
            // another process may begin where one feed was, while another feed was ahead of it.
            let last = isKnown ? before.last?.time ?? range.lowerBound : range.lowerBound - 0.5
            var from = Double.random(
                in: max(last, range.lowerBound - 0.5)...range.lowerBound, using: &random)
            if isConflated {
                from = before.reduce(from - late) { max($0, $1.happened) }
            }
            outages.append(
                Outage(
                    gap: OpenGap(
                        instrument: 0, kind: kind, from: wallSeconds(from),
                        to: wallSeconds(range.upperBound), reason: .disconnected),
                    isKnown: isKnown,
                    addedAt: range.upperBound + 5))
        }
    }

    func arrivals(of outage: Outage) -> Arrivals {
        guard outage.isKnown else { return .unknown }
        let since = outage.gap.from.advanced(byNanoseconds: -3_500_000_000)
        let until = outage.gap.to.advanced(byNanoseconds: 3_000_000_000)
        let ticks = arrived.filter { $0.time <= outage.addedAt }.map(\.tick).filter { tick in
            let time = tick.trade(0).header.eventTime
            return since <= time && time < until
        }.map { $0.arrived(kind, isConflated: isConflated) }
        return Arrivals(ticks, since: since, until: until)
    }

    /// Returns the answer to a request, in one or more messages.
    mutating func answer(_ id: Int32, _ request: HistoryTicksRequest) throws -> [HistoryAnswer] {
        guard case .at(let start) = request.start else { return [] }
        let first = start.nanoseconds / 1_000_000_000
        let rest = market.filter { $0.second >= first }
        var page = Array(rest.prefix(Int(request.count)))
        if completesSeconds, let last = page.last {
            page += rest.dropFirst(page.count).prefix { $0.second == last.second }
        }
        let cut = Int.random(in: 0...page.count, using: &random)
        let parts =
            cut > 0 && cut < page.count ? [Array(page[..<cut]), Array(page[cut...])] : [page]
        return try parts.enumerated().map { index, part in
            let isLast = index == parts.count - 1
            return kind == .trade
                ? try HistoryAnswers.trades(id, part, isLast: isLast)
                : try HistoryAnswers.quotes(id, part, isLast: isLast)
        }
    }
}
