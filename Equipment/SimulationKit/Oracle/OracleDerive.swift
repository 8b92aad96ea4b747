package import MarketModel
internal import Primitives
package import StreamCore
internal import TapeCodec

/// Computes what a derivation must have published after each packet of bars. Each number is
/// computed again, of all bars that came and of all that providers told.
///
/// It shares no code with the machine, and is slow.
package struct OracleDerive {
    /// A number that simulated graphs derive, as an expression and as plain code.
    package struct Formula: Sendable {
        package let expression: TickExpression
        /// By input, the number of a bar; `nil` for a provider's value.
        package let fields: [TickField?]
        let number: @Sendable ([Int128]) -> Int128?

        init(
            _ text: String, _ fields: [TickField?], _ instructions: [TickExpression.Instruction],
            _ number: @escaping @Sendable ([Int128]) -> Int128?
        ) {
            expression = TickExpression(text: text, instructions: instructions)
            self.fields = fields
            self.number = number
        }
    }

    package static let formulas: [Formula] = [
        Formula("a.close - b.close", [.close, .close], [.input(0), .input(1), .subtract]) {
            $0[0] - $0[1]
        },
        Formula("a.close - r", [.close, nil], [.input(0), .input(1), .subtract]) { $0[0] - $0[1] },
        Formula("a.close / r", [.close, nil], [.input(0), .input(1), .divide]) {
            OracleExpression.quotient($0[0], $0[1])
        },
        Formula(
            "2 * a.high - b.close + r", [.high, .close, nil],
            [
                .number(2_000_000_000), .input(0), .multiply, .input(1), .subtract, .input(2),
                .add,
            ]
        ) { 2 * $0[0] - $0[1] + $0[2] },
    ]

    /// What a provider told, with the time of its receipt.
    private struct Told {
        let time: Int64
        let start: Int64
        let value: Int128
    }

    private let rule: ScanRule
    private let formula: Formula
    private let derivation: Derivation
    private let width: Int64
    private let lateness: Int64
    /// By the start of its window, each bar that stands.
    private var bars: [SourceSymbol: [Int64: Bar]] = [:]
    /// By symbol and name, what was told, without what says nothing new.
    private var told: [SourceSymbol: [String: [Told]]] = [:]
    /// The windows that had a bar in time.
    private var windows: Set<Int64> = []
    /// By partition, the last watermark of each source, and the time that the windows know.
    private var watermarks: [[SourceName: Int64]]
    private var reached: [Int64]
    private var clock = Int64.min
    /// Windows that end by then do not change any more.
    private var settled = Int64.min

    /// By start of a window, the number that stands.
    package private(set) var published: [Int64: Int128] = [:]
    /// Bars that came when their windows were settled.
    package private(set) var late = 0
    /// How often a close of an earlier window was taken.
    package private(set) var aged = 0

    /// `formula` is the one whose expression the rule has.
    package init(_ rule: ScanRule, _ formula: Formula, of series: BarSeries, partitions: Int) {
        self.rule = rule
        self.formula = formula
        derivation = rule.derivation ?? Derivation(inputs: [])
        width = series.widthNanoseconds
        lateness = series.lateness
        watermarks = Array(repeating: [:], count: partitions)
        reached = Array(repeating: Int64.min, count: partitions)
    }

    private func counts(_ source: SourceName) -> Bool {
        rule.sources.isEmpty || rule.sources.contains(source)
    }

    // MARK: what comes

    /// Takes what providers tell in a packet of ticks, and its watermark.
    package mutating func take(_ packet: SimulatedPacket, of partition: Int) {
        let source = packet.header.source
        guard source != .manual else { return }
        packet.bytes.withRawSpan { bytes in
            var walk = PacketWalk(packet.header)
            while let item = walk.next(in: bytes) {
                guard case .other(let message) = item,
                    let value = message.indicatorValue(in: bytes),
                    let symbol = walk.symbol(value.header.symbol, in: bytes)?.symbol
                else { continue }
                note(value, SourceSymbol(symbol, of: source))
            }
        }
        guard packet.header.watermark.isDefined else { return }
        watermarks[partition][source] = max(
            watermarks[partition][source] ?? Int64.min, packet.header.watermark.nanoseconds)
    }

    private mutating func note(_ value: IndicatorValue, _ symbol: SourceSymbol) {
        let (time, start) = (value.header.receiveTime.nanoseconds, value.periodStart.nanoseconds)
        let last = told[symbol]?[value.name]?.last
        if let last, start < last.start || start == last.start && value.value == last.value {
            return
        }
        told[symbol, default: [:]][value.name, default: []].append(
            Told(time: max(time, last?.time ?? time), start: start, value: value.value))
    }

    /// Takes a version of a bar.
    package mutating func take(_ bar: Bar, _ key: BarKey) {
        let isUsed = derivation.inputs.contains {
            if case .bar(let symbol, _) = $0 { symbol == key.symbol.symbol } else { false }
        }
        guard isUsed, counts(key.symbol.source), key.series == rule.series else { return }
        let start = key.openTime.nanoseconds
        let isThere = bar.trades > 0 && !bar.flags.contains(.withdrawn)
        if start + width <= settled {
            late += 1
            // What was published of it stands.
            guard isThere else { return }
        } else if isThere {
            windows.insert(start)
        }
        bars[key.symbol, default: [:]][start] = isThere ? bar : nil
    }

    /// Publishes what is due after a packet of a partition. Returns whether the time moved on.
    package mutating func advance(_ partition: Int) -> Bool {
        let own = watermarks[partition]
        let time = own.filter { counts($0.key) }.values.min() ?? own.values.min()
        reached[partition] = max(reached[partition], time ?? Int64.min)
        guard let least = reached.min(), least > clock else { return false }
        clock = least
        for start in windows where start + width > settled && start + width <= clock {
            published[start] = number(start)
        }
        settled = max(settled, clock - lateness)
        return true
    }

    // MARK: numbers

    /// Returns the number of a window; `nil`: it has none.
    private mutating func number(_ start: Int64) -> Int128? {
        var values: [Int128] = []
        for input in derivation.inputs {
            guard let value = value(of: input, start) else { return nil }
            values.append(value)
        }
        return formula.number(values)
    }

    /// Returns the last value of an input. Of sources with one of the same time the first by name
    /// counts.
    private mutating func value(of input: Derivation.Input, _ start: Int64) -> Int128? {
        var last: (time: Int64, value: Int128?)?
        for symbol in Set(bars.keys).union(told.keys).sorted()
        where symbol.symbol == input.symbol && counts(symbol.source) {
            let one =
                switch input {
                case .bar(_, let field): bar(of: symbol, field, start)
                case .indicator(let indicator): told(of: symbol, indicator.name, start + width)
                }
            if let one, last.map({ $0.time < one.time }) ?? true { last = one }
        }
        return last?.value
    }

    private mutating func bar(
        of symbol: SourceSymbol, _ field: TickField, _ start: Int64
    ) -> (time: Int64, value: Int128?)? {
        let own = bars[symbol] ?? [:]
        if let bar = own[start] { return (start + width, Self.number(field, bar)) }
        guard field == .close, let before = own.keys.filter({ $0 < start }).max(),
            before >= start - derivation.maxAge, let bar = own[before]
        else { return nil }
        aged += 1
        return (before + width, Self.number(field, bar))
    }

    private func told(
        of symbol: SourceSymbol, _ name: String, _ end: Int64
    ) -> (time: Int64, value: Int128?)? {
        let last = told[symbol]?[name]?.last { $0.time < end }
        return last.map { ($0.time, $0.value) }
    }

    private static func number(_ field: TickField, _ bar: Bar) -> Int128? {
        let price = field == .high ? bar.high : bar.close
        return price.isDefined ? Int128(price.raw) : nil
    }
}
