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

/// A machine of bars, as `Alone` drives it.
protocol LoneMachine: Sendable {
    /// The last versions of bars on the tape that a repair is given.
    associatedtype Published

    /// What a repair is given when nothing is known of the tape.
    static var unknown: Published { get }

    mutating func addSource()
    mutating func apply(_ change: PartitionTables.Change, _ tables: PartitionTables)
    mutating func advance(source: Int, _ tables: PartitionTables, into closed: inout [Bar])
    func extent(of range: DirtyRange) -> (from: Int64, to: Int64)
    mutating func absorb(
        _ repaired: Self, by its: PartitionTables, _ ranges: [DirtyRange], published: Published,
        _ tables: PartitionTables, into closed: inout [Bar])
    func encode(_ tables: PartitionTables, into bytes: inout [UInt8])
}

extension BarMachine: LoneMachine {
    static var unknown: [Bar]? { nil }
}

extension NumberMachine: LoneMachine {
    static var unknown: [PublishedBar] { [] }
}

extension InactivityMachine: LoneMachine {
    static var unknown: [PublishedBar] { [] }
}

extension ResampleMachine: LoneMachine {
    static var unknown: [Bar]? { nil }

    func encode(_ tables: PartitionTables, into bytes: inout [UInt8]) { encode(into: &bytes) }
}

/// A machine with the tables of a partition for itself alone. It is fed packets as a shell would do
/// it.
@dynamicMemberLookup
struct Alone<Machine: LoneMachine>: Sendable {
    var maker: Machine
    var tables = PartitionTables(.ofTests)

    init(_ maker: Machine) { self.maker = maker }

    private init(_ maker: Machine, _ tables: PartitionTables) {
        self.maker = maker
        self.tables = tables
    }

    fileprivate init(
        _ bytes: [UInt8], _ maker: (RawSpan, PartitionTables) throws(CheckpointError) -> Machine
    ) throws(CheckpointError) {
        (self.maker, tables) = try bytes.withRawSpan { span throws(CheckpointError) in
            let end = try StateEnvelope.end(ofPieceAt: 0, in: span)
            let tables = try PartitionTables(.ofTests, restoring: span.extracting(0..<end))
            return (try maker(span.extracting(end..<span.byteCount), tables), tables)
        }
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

    mutating func source(_ name: SourceName) -> Int? {
        let known = sources.entries.count
        let index = tables.source(name)
        if sources.entries.count > known { maker.addSource() }
        return index
    }

    mutating func newSource(_ text: String) throws -> Int {
        let index = source(try sourceName(text))
        return try #require(index)
    }

    mutating func symbol(_ subscription: Subscription, source: Int) -> UInt32? {
        guard let change = tables.define(subscription, source: source) else { return nil }
        maker.apply(change, tables)
        return change.index
    }

    mutating func newSymbol(_ subscription: Subscription, source: Int) throws -> UInt32 {
        let index = symbol(subscription, source: source)
        return try #require(index)
    }

    mutating func advance(source: Int, watermark: Timestamp, into closed: inout [Bar]) {
        tables.advance(source, to: watermark)
        maker.advance(source: source, tables, into: &closed)
    }

    func extent(of range: DirtyRange) -> (from: Int64, to: Int64) { maker.extent(of: range) }

    mutating func absorb(
        _ repaired: Alone, _ ranges: [DirtyRange], published: Machine.Published? = nil,
        into closed: inout [Bar]
    ) {
        maker.absorb(
            repaired.maker, by: repaired.tables, ranges, published: published ?? Machine.unknown,
            tables, into: &closed)
    }

    /// The piece of the machine alone.
    var state: [UInt8] {
        var bytes: [UInt8] = []
        maker.encode(tables, into: &bytes)
        return bytes
    }

    /// The pieces of the tables and of the machine.
    var snapshot: [UInt8] { tables.state + state }
}

extension Alone where Machine: BarMaker {
    init(rule: BarRule, calendar: SessionCalendar? = nil) {
        self.init(Machine(rule: rule, calendar: calendar))
    }

    init(
        rule: BarRule, calendar: SessionCalendar? = nil, restoring bytes: [UInt8]
    ) throws(CheckpointError) {
        try self.init(bytes) { span, tables throws(CheckpointError) in
            try Machine(rule: rule, calendar: calendar, restoring: span, tables)
        }
    }

    /// Expects that the machine that its bytes make has the same bytes. Returns that one.
    @discardableResult
    func expectRestored(calendar: SessionCalendar? = nil) throws -> Alone {
        let bytes = snapshot
        let machine = try Alone(rule: maker.rule, calendar: calendar, restoring: bytes)
        let isSame = machine.snapshot == bytes
        #expect(isSame)
        return machine
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

    mutating func takeLateTicks(into late: inout [LateTick]) { maker.takeLateTicks(into: &late) }
    mutating func takeOpenBars(into open: inout [Bar]) { maker.takeOpenBars(into: &open) }

    func repairMachine(for ranges: [DirtyRange]) -> Alone {
        Alone(maker.repairMachine(for: ranges), tables)
    }
}

extension Alone<BarMachine> {
    init(series: BarSeriesSet) { self.init(rule: BarRule(series: series)) }

    init(rule: BarRule, calendar: SessionCalendar?, limits: MachineLimits) {
        self.init(BarMachine(rule: rule, calendar: calendar, limits: limits))
    }

    mutating func noteChange(of header: TickHeader) { maker.noteChange(of: header) }

    func publishedRanges(_ repaired: Alone, _ ranges: [DirtyRange]) -> [PublishedRange] {
        maker.publishedRanges(repaired.maker, ranges, tables)
    }
}

extension Alone<ResampleMachine> {
    init(
        rule: ResampleRule, from: BarSeries, unsettledMax: Int = StreamLimits.unsettledBarsMax
    ) {
        self.init(ResampleMachine(rule: rule, from: from, unsettledMax: unsettledMax))
    }

    init(rule: ResampleRule, from: BarSeries, restoring bytes: [UInt8]) throws(CheckpointError) {
        try self.init(bytes) { span, tables throws(CheckpointError) in
            try ResampleMachine(rule: rule, from: from, restoring: span, tables)
        }
    }

    /// Expects that the machine that its bytes make has the same bytes. Returns that one.
    @discardableResult
    func expectRestored() throws -> Alone {
        let bytes = snapshot
        let machine = try Alone(rule: maker.rule, from: maker.from, restoring: bytes)
        let isSame = machine.snapshot == bytes
        #expect(isSame)
        return machine
    }

    mutating func bar(_ bar: Bar) { maker.bar(bar, tables) }
    mutating func refuse(_ symbols: Set<UInt32>) { maker.refuse(symbols) }
    func repairMachine() -> Alone { Alone(maker.repairMachine(), tables) }
}
