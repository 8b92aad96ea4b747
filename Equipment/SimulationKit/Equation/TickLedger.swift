internal import MarketModel
internal import OperatorGraph
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// A series whose windows do not overlap.
struct TumblingSeries {
    let name: SeriesName
    let lateness: Int64
    let rule: BarRule
    let way: StageWay
    let width: Int64

    init(_ series: BarSeries, _ rule: BarRule, _ way: StageWay, width: Int64) {
        name = series.name
        lateness = series.lateness
        self.rule = rule
        self.way = way
        self.width = width
    }
}

/// The nodes between the tape and a series.
struct StageWay {
    private(set) var hasStages = false
    private(set) var deduplicating: [SeriesName] = []
    /// Behind a join, how long a quote counts for its trades, and behind a book how long it is
    /// known; 0 without either.
    private(set) var quoteAge: Int64 = 0

    init(to input: GraphInput, in nodes: [GraphNode]) {
        var next = input
        while true {
            switch next {
            case .ticks: return
            case .node(let node), .branch(let node, _):
                hasStages = true
                if case .deduplicate = nodes[node].operation {
                    deduplicating += [SeriesName(nodes[node].name)].compactMap(\.self)
                }
                if case .join(let rule, _) = nodes[node].operation { quoteAge = rule.maxAge }
                if case .book = nodes[node].operation { quoteAge = OracleBooks.knownFor }
                next = nodes[node].input
            }
        }
    }
}

/// The ticks of a tape, each with the packet that holds it.
struct TickLedger: Sendable {
    struct Window: Hashable, Sendable {
        let symbol: SourceSymbol
        let start: Int64
    }

    struct Entry: Sendable {
        let tick: LoggedTick
        /// The tick with the corrections of the complete tape.
        let mended: LoggedTick
        let isCancelled: Bool
        /// The index of its packet on the tape, from 0.
        let place: Int
    }

    private var entries: [Entry] = []
    private var repairs: [(range: OracleRepair, place: Int)] = []
    /// After each packet, the highest watermark of any source.
    private var watermarks: [Int64] = []
    private var known: Set<SourceSymbol> = []

    init(_ packets: [SimulatedPacket], _ groups: SourceGroups) {
        var ticks: [(tick: LoggedTick, place: Int)] = []
        var place = -1
        var watermark = Int64.min
        var changes: [OracleChange] = []
        for event in LoggedTape(packets, groups).events {
            switch event {
            case .packet: place += 1
            case .definition(let definition, let source):
                if source != .manual { known.insert(definition.symbol) }
            case .depth: break
            case .tick(let tick):
                ticks.append((tick, place))
                guard tick.header.action != TradeAction.new.rawValue else { continue }
                let time = tick.header.eventTime
                mark(LoggedScope(tick.symbol), .trade, time, time.advanced(byNanoseconds: 1), place)
            case .gap(let gap, let scope):
                guard gap.state != GapState.filling.rawValue else { continue }
                mark(
                    scope, DataKind(rawValue: gap.kind) ?? .any, gap.from,
                    gap.to.isDefined ? gap.to : gap.header.eventTime, place)
            case .gapOfAll: break
            case .repair(let request, let scope):
                mark(scope, .any, request.from, request.to, place)
            case .change(let change, let scope):
                changes.append(OracleChange(change: change, scope: scope))
                let time = change.header.eventTime
                mark(scope, .trade, time, time.advanced(byNanoseconds: 1), place)
            case .watermark(let told, let source):
                if source != .manual, told.isDefined {
                    watermark = max(watermark, told.nanoseconds)
                }
                watermarks.append(watermark)
            }
        }
        let mended = OracleRepair.mended(ticks.map(\.tick), changes)
        entries = zip(ticks, mended).map {
            Entry(tick: $0.tick, mended: $1.tick, isCancelled: $1.isCancelled, place: $0.place)
        }
    }

    private mutating func mark(
        _ scope: LoggedScope, _ kind: DataKind, _ from: Timestamp, _ to: Timestamp, _ place: Int
    ) {
        guard from.isDefined, to.isDefined, from < to,
            scope.symbol == nil || known.contains(where: { scope.holds($0) })
        else {
            return
        }
        let range = OracleRepair(
            scope: scope, kind: kind, from: from.nanoseconds, to: to.nanoseconds)
        repairs.append((range, place))
    }

    /// Returns the watermark before the packet.
    func watermark(before place: Int) -> Int64 {
        place > 0 ? watermarks[place - 1] : Int64.min
    }

    /// Returns the last packet that had the window computed again; -1 when none did.
    func lastRepair(of window: Window, in series: TumblingSeries) -> Int {
        let stretch = OracleWindow(start: window.start, end: window.start + series.width)
        let kind = series.rule.field.ticks
        let age = series.way.quoteAge
        return repairs.last { one in
            let decides = one.range.kind == .any || one.range.kind == kind
            let isOfQuotes =
                age > 0 && (one.range.kind == .any || one.range.kind == series.rule.field.earlier)
            return (decides || isOfQuotes)
                && one.range.reaching(isOfQuotes ? age : 0).touches(stretch, of: window.symbol)
        }?.place ?? -1
    }

    /// Returns all ticks of the series' kind, by window.
    func windows(of series: TumblingSeries) -> [Window: [Entry]] {
        var windows: [Window: [Entry]] = [:]
        for entry in entries {
            guard entry.tick.kind == series.rule.field.ticks,
                entry.tick.id.source != .manual, entry.tick.header.eventTime.isDefined
            else { continue }
            let start = OracleWindow.floor(entry.tick.time, series.width)
            windows[Window(symbol: entry.tick.symbol, start: start), default: []].append(entry)
        }
        return windows
    }
}
