import MarketModel
import Primitives
import StreamCore
import TapeCodec
import Testing

@testable import OperatorGraph

/// The packets of one source, one after the other, as a gateway would send them.
struct GraphTape {
    private var builder: PacketBuilder
    private var symbols: [String: UInt32] = [:]
    private var ordinal: UInt64 = 1
    private let provider: String
    /// The source that a person's records concern; `nil` for all sources.
    private let concerned: SourceName?
    private(set) var packets: [SealedPacket] = []

    init(_ source: SourceName, provider: String = "test", of concerned: SourceName? = nil) {
        self.provider = provider
        self.concerned = concerned
        builder = PacketBuilder(kind: .ticks, partition: Partition(0), source: source)
    }

    init(_ source: String = "one", provider: String = "test") throws {
        self.init(try #require(SourceName(source)), provider: provider)
    }

    /// Returns the symbol's number, after defining it once.
    mutating func symbol(_ text: String) throws -> UInt32 {
        if let known = symbols[text] { return known }
        let symbol = try #require(Symbol(text))
        let number = builder.register(
            SymbolDefinition(
                symbol: symbol, provider: provider, since: Timestamp(nanoseconds: 0),
                source: concerned))
        symbols[text] = number
        return number
    }

    /// Notes that the symbol's subscription began again.
    mutating func begin(_ text: String, since seconds: Double) throws {
        builder.redefine(
            try symbol(text),
            as: SymbolDefinition(
                symbol: try #require(Symbol(text)), provider: provider, since: Self.time(seconds)))
    }

    /// States the symbol's round lot from the next tick on, in shares; `nil`: none.
    mutating func state(
        _ text: String = "AAPL", lot: Int64?, from seconds: Double? = nil, before: Int64 = 100
    ) throws {
        var definition = SymbolDefinition(
            symbol: try #require(Symbol(text)), provider: provider,
            since: Timestamp(nanoseconds: 0))
        if let lot {
            definition.lot = RoundLot(
                Quantity(raw: lot * 100_000_000), from: seconds.map(Self.time) ?? .undefined,
                before: Quantity(raw: before * 100_000_000))
        }
        builder.redefine(try symbol(text), as: definition)
    }

    /// Returns a time in seconds from a fixed morning.
    static func time(_ seconds: Double) -> Timestamp {
        Timestamp(nanoseconds: 1_700_000_040_000_000_000 + Int64(seconds * 1_000_000_000))
    }

    mutating func trade(
        _ symbol: String = "AAPL", at seconds: Double, received: Double? = nil,
        price: Double = 100, size: Double = 1, id: UInt64 = 0, action: TradeAction = .new,
        flags: TickFlags = [],
        conditions: String = "", exchange: String = ""
    ) throws {
        let header = TickHeader(
            symbol: try self.symbol(symbol), flags: flags, action: action.rawValue,
            providerTime: Self.time(seconds), receiveTime: Self.time(received ?? seconds),
            providerID: id)
        let isIn = builder.append(
            Trade(
                header: header, price: Price(raw: Int64(price * 1_000_000_000)),
                size: Quantity(raw: Int64(size * 100_000_000)),
                exchange: try #require(ShortText(exchange)),
                conditions: try #require(ShortText(conditions))))
        #expect(isIn)
    }

    mutating func quote(
        _ symbol: String = "AAPL", at seconds: Double, received: Double? = nil, bid: Double,
        ask: Double, flags: TickFlags = []
    ) throws {
        let header = TickHeader(
            symbol: try self.symbol(symbol), flags: flags, providerTime: Self.time(seconds),
            receiveTime: Self.time(received ?? seconds))
        let isIn = builder.append(
            Quote(
                header: header, bidPrice: Price(raw: Int64(bid * 1_000_000_000)),
                bidSize: Quantity(raw: 100_000_000),
                askPrice: Price(raw: Int64(ask * 1_000_000_000)),
                askSize: Quantity(raw: 100_000_000)))
        #expect(isIn)
    }

    /// Appends a row of a book. Rows of one time that follow each other are one change.
    mutating func row(
        _ symbol: String = "AAPL", at seconds: Double, received: Double? = nil, _ side: BookSide,
        _ position: UInt32, _ operation: DepthOperation = .insert, price: Double = 0,
        size: Double = 1, flags: TickFlags = [], isRepeated: Bool = false
    ) throws {
        let header = TickHeader(
            symbol: try self.symbol(symbol), flags: flags, providerTime: Self.time(seconds),
            receiveTime: Self.time(received ?? seconds))
        let isIn = builder.append(
            DepthUpdate(
                header: header, position: position, side: side, operation: operation,
                price: Price(raw: Int64(price * 1_000_000_000)),
                size: Quantity(raw: Int64(size * 100_000_000)),
                flags: isRepeated ? .repeated : []))
        #expect(isIn)
    }

    /// Appends a whole book: a reset and its rows, each of a price and a size.
    mutating func book(
        _ symbol: String = "AAPL", at seconds: Double, bids: [(Double, Double)],
        asks: [(Double, Double)], isRepeated: Bool = false
    ) throws {
        let header = TickHeader(
            symbol: try self.symbol(symbol), providerTime: Self.time(seconds),
            receiveTime: Self.time(seconds))
        let isIn = builder.append(
            DepthReset(header: header, reason: isRepeated ? .repeated : .reset))
        #expect(isIn)
        for (side, rows) in [(BookSide.bid, bids), (.ask, asks)] {
            for (place, (price, size)) in rows.enumerated() {
                try row(
                    symbol, at: seconds, side, UInt32(place), price: price, size: size,
                    isRepeated: isRepeated)
            }
        }
    }

    /// Appends a provider's bar of `length` seconds that begins at `start`. The prices are open,
    /// high, low and close.
    mutating func providerBar(
        _ symbol: String = "AAPL", at start: Double, length: Double = 5, received: Double? = nil,
        _ prices: (Double, Double, Double, Double), volume: Double? = 10, vwap: Double? = 100,
        count: Int64? = 4, kind: ProviderBarKind = .trades, flags: TickFlags = [],
        isUnfinished: Bool = false, isRevised: Bool = false
    ) throws {
        func price(_ value: Double) -> Price {
            Price(raw: Int64((value * 1_000_000_000).rounded()))
        }
        var bar = ProviderBar(
            header: TickHeader(
                symbol: try self.symbol(symbol), flags: flags,
                providerTime: Self.time(start + length),
                receiveTime: Self.time(received ?? start + length)),
            openTime: Self.time(start), closeTime: Self.time(start + length), kind: kind)
        (bar.open, bar.high) = (price(prices.0), price(prices.1))
        (bar.low, bar.close) = (price(prices.2), price(prices.3))
        if let vwap { bar.vwap = price(vwap) }
        if let volume { bar.volume = Int128(volume * 100_000_000) }
        if let count { bar.trades = count }
        if isUnfinished { bar.flags = .inProgress }
        if isRevised { bar.flags.insert(.revised) }
        let isIn = builder.append(bar)
        #expect(isIn)
    }

    /// Appends a provider's value for a period of a second.
    mutating func value(
        _ symbol: String, at received: Double, period: Double, _ value: Double,
        name: String = "value"
    ) throws {
        let outcome = builder.append(
            IndicatorValue(
                header: TickHeader(
                    symbol: try self.symbol(symbol), providerTime: Self.time(received),
                    receiveTime: Self.time(received)),
                name: name, value: Int128(value * 1_000_000_000), periodStart: Self.time(period),
                periodEnd: Self.time(period + 1)))
        #expect(outcome == .appended)
    }

    /// Appends a record of a gap; without a symbol it is of all.
    mutating func gap(
        _ symbol: String?, from: Double, to: Double, state: GapState, kind: DataKind = .trade
    ) throws {
        let number = try symbol.map { try self.symbol($0) } ?? TickHeader.noSymbol
        let header = TickHeader(
            symbol: number, providerTime: .undefined, receiveTime: Self.time(to))
        let outcome = builder.append(
            GapRecord(
                header: header, from: Self.time(from), to: Self.time(to), kind: kind,
                reason: .disconnected, state: state))
        #expect(outcome == .appended)
    }

    /// Appends a person's request to repair a range.
    mutating func request(
        _ symbol: String, from: Double, to: Double, reason: BarReason = .repair
    ) throws {
        let header = TickHeader(
            symbol: try self.symbol(symbol), providerTime: .undefined, receiveTime: Self.time(to))
        let outcome = builder.append(
            RepairRequest(
                header: header, from: Self.time(from), to: Self.time(to), reason: reason,
                requester: "test"))
        #expect(outcome == .appended)
    }

    /// Appends a person's change of a trade.
    mutating func change(
        _ symbol: String, _ action: TradeChangeAction, _ source: String, _ ordinal: UInt64,
        at seconds: Double, values: (price: Double, size: Double)? = nil
    ) throws {
        var change = TradeChange(
            header: TickHeader(
                symbol: try self.symbol(symbol), providerTime: Self.time(seconds),
                receiveTime: Self.time(seconds + 60)),
            source: try #require(SourceName(source)), ordinal: ordinal, change: action)
        if let values {
            change.price = Price(raw: Int64(values.price * 1_000_000_000))
            change.size = Quantity(raw: Int64(values.size * 100_000_000))
        }
        let outcome = builder.append(change)
        #expect(outcome == .appended)
    }

    /// Ends the packet, which is sent at its watermark.
    mutating func seal(watermark seconds: Double) {
        let packet = builder.seal(
            PacketBuilder.Seal(
                epoch: 1, firstOrdinal: ordinal, watermark: Self.time(seconds),
                sendTime: Self.time(seconds)))
        ordinal = packet.header.nextOrdinal
        packets.append(packet)
    }
}

extension GraphMachine {
    /// Takes packets and returns all their output.
    mutating func run(_ packets: [SealedPacket]) -> GraphOutput {
        var output = GraphOutput()
        for packet in packets {
            let isTaken = packet.withBytes { take(packet.header, $0, into: &output) }
            #expect(isTaken)
        }
        return output
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        encode(into: &bytes)
        return bytes
    }

    /// Returns the machine that its bytes make.
    func restored() throws -> GraphMachine { try program.machine(bytes) }

    /// Returns the ranges of all symbols, or of these, in seconds.
    func dirty(
        from: Double, to: Double, _ reason: BarReason = .repair, of symbols: Range<UInt32>? = nil
    ) -> [DirtyRange] {
        (symbols ?? 0..<UInt32(self.symbols.count)).map {
            DirtyRange(
                symbol: $0, from: GraphTape.time(from).nanoseconds,
                to: GraphTape.time(to).nanoseconds, reason: reason.rawValue)
        }
    }

    /// Repairs like the owner of the partition, which reads the tape again. `onTape` are all
    /// its bars; `nil` when they are not known. With a small `keeping` the tape is read twice.
    /// `readsAll`: also what is older than the plan asks for.
    mutating func repair(
        _ ranges: [DirtyRange], over packets: [SealedPacket], onTape: [Bar]? = nil,
        keeping: Int = KeptTicks.stepsMax, readsAll: Bool = true
    ) throws -> (output: GraphOutput, repair: GraphRepair) {
        var repair = try #require(GraphRepair(self, ranges, keepingAtMost: keeping))
        let read = packets.filter {
            readsAll
                || $0.header.watermark.advanced(byNanoseconds: 1_000_000_000) >= repair.plan.from
        }
        for packet in read { packet.withBytes { repair.note(packet.header, $0) } }
        if repair.endFirstPass() {
            #expect(keeping == 0, "one pass is enough")
            for packet in read { packet.withBytes { repair.take(packet.header, $0) } }
        }
        #expect(repair.unplaced == 0)
        let needs = publishedRanges(of: repair)
        let published = onTape?.filter { bar in
            needs.contains {
                $0.symbol == bar.symbol && $0.series == bar.series
                    && $0.from < bar.closeTime.nanoseconds && bar.openTime.nanoseconds < $0.to
            }
        }
        var output = GraphOutput()
        absorb(repair, published: published, into: &output)
        return (output, repair)
    }
}

extension GraphProgram {
    /// Returns the machine whose state has these bytes.
    func machine(_ bytes: [UInt8]) throws(CheckpointError) -> GraphMachine {
        try bytes.withRawSpan { span throws(CheckpointError) in
            try GraphMachine(self, restoring: span)
        }
    }
}

extension [Bar] {
    /// The last version of each bar, by series, symbol and time, without withdrawn ones.
    var lastVersions: [Bar] {
        var last: [String: Bar] = [:]
        for bar in self { last["\(bar.series) \(bar.symbol) \(bar.openTime)"] = bar }
        return last.values.filter { !$0.flags.contains(.withdrawn) }
    }
}

/// Short forms of definitions for tests.
enum Nodes {
    static func bars(
        _ name: String, _ input: GraphInput, _ series: [String] = ["1s"],
        field: InputField = .trade
    ) throws -> GraphNode {
        bars(name, input, BarRule(series: try BarSeriesSet(series), field: field))
    }

    static func bars(_ name: String, _ input: GraphInput, _ rule: BarRule) -> GraphNode {
        GraphNode(name: name, input: input, operation: .bars(rule, calendar: nil))
    }

    static func bars(
        _ name: String, _ input: GraphInput, of first: BarSeries, _ others: BarSeries...
    ) throws -> GraphNode {
        bars(name, input, BarRule(series: try BarSeriesSet([first] + others)))
    }

    /// One series of bars.
    static func series(_ name: String, _ window: WindowRule) throws -> BarSeries {
        try BarSeries(name: try #require(SeriesName(name)), window: window)
    }

    static func seconds(_ name: String, _ seconds: Int64) throws -> BarSeries {
        try series(name, .tumbling(width: seconds * 1_000_000_000))
    }

    static func numbers(
        _ name: String, _ input: GraphInput, _ rule: BarRule, _ functions: [AggregateFunction]
    ) -> GraphNode {
        GraphNode(
            name: name, input: input,
            operation: .aggregate(
                AggregateRule(bars: rule, functions: functions), calendar: nil))
    }

    static func filter(
        _ name: String, _ input: GraphInput, _ instructions: [TickExpression.Instruction]
    ) -> GraphNode {
        GraphNode(
            name: name, input: input,
            operation: .filter(TickExpression(text: name, instructions: instructions)))
    }

    static func deduplicate(
        _ name: String, _ input: GraphInput, key: [TickField] = [.id],
        timeToLive: Int64 = 60_000_000_000
    ) -> GraphNode {
        GraphNode(
            name: name, input: input,
            operation: .deduplicate(DeduplicateRule(key: key, timeToLive: timeToLive)))
    }

    static func throttle(
        _ name: String, _ input: GraphInput, count: Int, per: Int64,
        scope: ThrottleRule.Scope = .symbol
    ) -> GraphNode {
        GraphNode(
            name: name, input: input,
            operation: .throttle(ThrottleRule(count: count, per: per, scope: scope)))
    }

    static func resample(
        _ name: String, _ input: GraphInput, from: String, _ series: [String]
    ) throws -> GraphNode {
        try resample(name, input, from: from, of: BarSeriesSet(series))
    }

    static func resample(
        _ name: String, _ input: GraphInput, from: String, of series: BarSeriesSet
    ) throws -> GraphNode {
        GraphNode(
            name: name, input: input,
            operation: .resample(
                ResampleRule(from: try #require(SeriesName(from)), series: series)))
    }

    /// A node that makes bars of a provider's bars of 5 s.
    static func ofProvider(
        _ name: String, _ input: GraphInput, _ series: [BarSeries], length: String = "5s",
        of data: ProviderBarKind = .trades
    ) throws -> GraphNode {
        let width = try #require(BarSeries.width(length))
        let bars = try BarSeries(
            name: try #require(SeriesName(length)), window: .tumbling(width: width),
            lateness: series.map(\.lateness).max())
        return GraphNode(
            name: name, input: input,
            operation: .resample(
                ResampleRule(
                    ProviderBarChoice(bars, of: data), series: try BarSeriesSet(series))))
    }

    /// A node that makes books, and bars of a second of one of their numbers for each of `fields`.
    static func books(
        levels: Int = 2, _ fields: [(series: String, field: InputField)]
    ) throws -> [GraphNode] {
        let book = GraphNode(
            name: "book", input: .ticks(.depth), operation: .book(BookRule(levels: levels)))
        return try [book]
            + fields.map { series, field in
                bars(
                    "\(series)s", .node(0),
                    BarRule(series: try BarSeriesSet([seconds(series, 1)]), field: field))
            }
    }

    static func join(
        _ name: String, _ input: GraphInput, with quotes: GraphInput = .ticks(.quote),
        maxAge: Int64 = 5_000_000_000
    ) -> GraphNode {
        GraphNode(
            name: name, input: input,
            operation: .join(JoinRule(maxAge: maxAge), with: quotes))
    }

    /// Returns a join of trades, a route by the quote rule, and bars of a second: `buy` at the ask
    /// or above, `sell` at the bid or below, `rest` of all others.
    static func signed(from first: [GraphNode] = [], maxAge: Int64 = 5_000_000_000) throws
        -> [GraphNode]
    {
        let join = first.count
        let bought = expression(.field(.price), .field(.ask), .greaterOrEqual)
        let sold = expression(.field(.price), .field(.bid), .lessOrEqual)
        let quotes = first.isEmpty ? GraphInput.ticks(.quote) : .node(join - 1)
        let bars = try ["buy", "sell", "rest"].enumerated().map { place, name in
            try Nodes.bars(
                "\(name)s", .branch(node: join + 1, branch: place), of: Nodes.seconds(name, 1))
        }
        return first + [
            Nodes.join("paired", .ticks(.trade), with: quotes, maxAge: maxAge),
            GraphNode(
                name: "sides", input: .node(join),
                operation: .route([
                    RouteBranch(name: "bought", condition: bought),
                    RouteBranch(name: "sold", condition: sold),
                    RouteBranch(name: "inside", condition: nil),
                ])),
        ] + bars
    }

    static func expression(_ instructions: TickExpression.Instruction...) -> TickExpression {
        TickExpression(text: "test", instructions: instructions)
    }
}

func machine(
    _ nodes: [GraphNode], operators: TickOperators = TickOperators()
) throws -> GraphMachine {
    GraphMachine(
        try GraphProgram(GraphDefinition(name: "test", nodes: nodes), operators: operators))
}

/// Returns a symbol of the source whose packets a `GraphTape` holds.
func ofTest(_ text: String) throws -> SourceSymbol {
    SourceSymbol(try #require(Symbol(text)), of: try #require(SourceName("one")))
}
