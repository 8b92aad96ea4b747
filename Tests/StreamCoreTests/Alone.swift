import MarketModel
import Primitives
import Testing

@testable import StreamCore

extension SourceGroups {
    /// One group of the sources that tests let move a symbol between them.
    static let ofTests = SourceGroups([
        Group(
            name: SourceName(literal: "all"),
            members: [
                "alpha", "beta", "gamma", "beta-2", "people", "ib", "other", "test", "manual",
            ].map {
                SourceName(literal: $0)
            })
    ])
}

extension SourceName {
    fileprivate init(literal text: String) {
        guard let name = SourceName(text) else { preconditionFailure("\(text) is no name") }
        self = name
    }
}

/// A machine with the tables of a partition for itself alone. It is fed packets as a shell would do
/// it.
@dynamicMemberLookup
struct Alone<Machine: Sendable>: Sendable {
    var maker: Machine
    var tables: PartitionTables

    init(_ maker: Machine) { self.init(maker, PartitionTables(.ofTests)) }

    init(_ maker: Machine, _ tables: PartitionTables) {
        self.maker = maker
        self.tables = tables
    }

    subscript<Value>(dynamicMember path: KeyPath<Machine, Value>) -> Value {
        maker[keyPath: path]
    }

    subscript<Value>(dynamicMember path: WritableKeyPath<Machine, Value>) -> Value {
        get { maker[keyPath: path] }
        set { maker[keyPath: path] = newValue }
    }

    var sources: SourceTable { tables.sources }
    var symbols: SymbolTable { tables.symbols }
    var missing: MissingStretches {
        get { tables.missing }
        set { tables.missing = newValue }
    }

    mutating func tapeStarts(at time: Timestamp) { tables.tapeStarts(at: time) }

    fileprivate mutating func source(
        _ name: SourceName, _ add: (inout Machine) -> Void
    ) -> Int? {
        let known = sources.entries.count
        let index = tables.source(name)
        if sources.entries.count > known { add(&maker) }
        return index
    }

    fileprivate mutating func symbol(
        _ subscription: Subscription, source: Int,
        _ apply: (inout Machine, PartitionTables.Change, PartitionTables) -> Void
    ) -> UInt32? {
        guard let change = tables.define(subscription, source: source) else { return nil }
        apply(&maker, change, tables)
        return change.index
    }

    /// Returns the pieces of the tables and of the machine.
    fileprivate func snapshot(_ encode: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        tables.encode(into: &bytes)
        encode(&bytes)
        return bytes
    }

    fileprivate init(
        _ bytes: RawSpan,
        _ maker: (RawSpan, PartitionTables) throws(CheckpointError) -> Machine
    ) throws(CheckpointError) {
        let end = try StateEnvelope.end(ofPieceAt: 0, in: bytes)
        tables = try PartitionTables(
            .ofTests, restoring: bytes.extracting(0..<end))
        self.maker = try maker(bytes.extracting(end..<bytes.byteCount), tables)
    }
}

extension Alone where Machine: BarMaker {
    init(rule: BarRule, calendar: SessionCalendar?) {
        self.init(Machine(rule: rule, calendar: calendar))
    }

    init(
        rule: BarRule, calendar: SessionCalendar?, restoring bytes: RawSpan
    ) throws(CheckpointError) {
        try self.init(bytes) { span, tables throws(CheckpointError) in
            try Machine(rule: rule, calendar: calendar, restoring: span, tables)
        }
    }

    mutating func source(_ name: SourceName) -> Int? {
        source(name) { $0.addSource() }
    }

    mutating func symbol(_ subscription: Subscription, source: Int) -> UInt32? {
        symbol(subscription, source: source) { $0.apply($1, $2) }
    }

    mutating func newSource(_ text: String) throws -> Int {
        let index = source(try sourceName(text))
        return try #require(index)
    }

    mutating func newSymbol(_ subscription: Subscription, source: Int) throws -> UInt32 {
        let index = symbol(subscription, source: source)
        return try #require(index)
    }

    mutating func trade(_ trade: Trade, source: Int, ordinal: UInt64) {
        maker.trade(trade, source: source, ordinal: ordinal, tables)
    }

    mutating func quote(_ quote: Quote, source: Int, ordinal: UInt64) {
        maker.quote(quote, source: source, ordinal: ordinal, tables)
    }

    mutating func exclude(_ header: TickHeader, source: Int) {
        maker.exclude(header, source: source, tables)
    }

    mutating func advance(source: Int, watermark: Timestamp, into closed: inout [Bar]) {
        tables.advance(source, to: watermark)
        maker.advance(source: source, tables, into: &closed)
    }

    mutating func takeLateTicks(into late: inout [LateTick]) { maker.takeLateTicks(into: &late) }
    mutating func takeOpenBars(into open: inout [Bar]) { maker.takeOpenBars(into: &open) }

    func extent(of range: DirtyRange) -> (from: Int64, to: Int64) { maker.extent(of: range) }

    func repairMachine(for ranges: [DirtyRange]) -> Alone {
        Alone(maker.repairMachine(for: ranges), tables)
    }

    func encode(into bytes: inout [UInt8]) { bytes += snapshot }

    var snapshot: [UInt8] { snapshot { maker.encode(tables, into: &$0) } }

    /// The piece of the machine alone.
    var state: [UInt8] {
        var bytes: [UInt8] = []
        maker.encode(tables, into: &bytes)
        return bytes
    }
}

extension Alone<BarMachine> {
    init(series: BarSeriesSet) { self.init(rule: BarRule(series: series), calendar: nil) }

    init(rule: BarRule, calendar: SessionCalendar?, limits: MachineLimits) {
        self.init(BarMachine(rule: rule, calendar: calendar, limits: limits))
    }

    static func restored(
        _ bytes: [UInt8], _ series: BarSeriesSet
    ) throws(CheckpointError) -> Alone {
        try bytes.withRawSpan { span throws(CheckpointError) in
            try Alone(rule: BarRule(series: series), calendar: nil, restoring: span)
        }
    }

    mutating func noteChange(of header: TickHeader) { maker.noteChange(of: header) }

    func publishedRanges(_ repaired: Alone, _ ranges: [DirtyRange]) -> [PublishedRange] {
        maker.publishedRanges(repaired.maker, ranges, tables)
    }

    mutating func absorb(
        _ repaired: Alone, _ ranges: [DirtyRange], published: [Bar]? = nil,
        into closed: inout [Bar]
    ) {
        maker.absorb(
            repaired.maker, by: repaired.tables, ranges, published: published, tables, into: &closed
        )
    }
}

extension Alone<NumberMachine> {
    mutating func absorb(
        _ repaired: Alone, _ ranges: [DirtyRange], published: [PublishedBar] = [],
        into closed: inout [Bar]
    ) {
        maker.absorb(
            repaired.maker, by: repaired.tables, ranges, published: published, tables, into: &closed
        )
    }
}

extension Alone<InactivityMachine> {
    mutating func absorb(
        _ repaired: Alone, _ ranges: [DirtyRange], published: [PublishedBar] = [],
        into closed: inout [Bar]
    ) {
        maker.absorb(
            repaired.maker, by: repaired.tables, ranges, published: published, tables, into: &closed
        )
    }
}

extension Alone<ResampleMachine> {
    init(
        rule: ResampleRule, from: BarSeries,
        unsettledMax: Int = StreamLimits.unsettledBarsMax
    ) {
        self.init(ResampleMachine(rule: rule, from: from, unsettledMax: unsettledMax))
    }

    init(
        rule: ResampleRule, from: BarSeries, restoring bytes: RawSpan
    ) throws(CheckpointError) {
        try self.init(bytes) { span, tables throws(CheckpointError) in
            try ResampleMachine(rule: rule, from: from, restoring: span, tables)
        }
    }

    mutating func source(_ name: SourceName) -> Int? {
        source(name) { $0.addSource() }
    }

    mutating func symbol(_ subscription: Subscription, source: Int) -> UInt32? {
        symbol(subscription, source: source) { $0.apply($1, $2) }
    }

    mutating func bar(_ bar: Bar) { maker.bar(bar, tables) }

    mutating func advance(source: Int, watermark: Timestamp, into closed: inout [Bar]) {
        tables.advance(source, to: watermark)
        maker.advance(source: source, tables, into: &closed)
    }

    func extent(of range: DirtyRange) -> (from: Int64, to: Int64) { maker.extent(of: range) }
    mutating func refuse(_ symbols: Set<UInt32>) { maker.refuse(symbols) }
    func repairMachine() -> Alone { Alone(maker.repairMachine(), tables) }

    mutating func absorb(
        _ repaired: Alone, _ ranges: [DirtyRange], published: [Bar]? = nil,
        into closed: inout [Bar]
    ) {
        maker.absorb(
            repaired.maker, by: repaired.tables, ranges, published: published, tables, into: &closed
        )
    }

    func encode(into bytes: inout [UInt8]) { bytes += snapshot }

    var snapshot: [UInt8] { snapshot { maker.encode(into: &$0) } }

    /// The piece of the machine alone.
    var state: [UInt8] {
        var bytes: [UInt8] = []
        maker.encode(into: &bytes)
        return bytes
    }
}
