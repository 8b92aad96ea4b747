public import MarketModel
public import Primitives

/// All that is kept of a tape's bars by those who work over all partitions: how far each partition
/// has come, and a machine for each node of the graph.
public struct UniverseState: Sendable {
    /// One version of one number.
    public struct Value: Hashable, Sendable {
        public var value: BreadthValue
        /// 0 of the first version.
        public var revision: UInt32
    }

    /// Of a provider's day, which comes in three values that two packets may share.
    public enum DayPart: Int, CaseIterable, Sendable {
        case high, low, close

        /// Behind the node's name, what the values are called.
        public var name: String { "history.\(self)" }
    }

    private struct DayInParts: Hashable, Sendable {
        var machine: Int
        var symbol: UInt32
        var bar: DailyBar
    }

    private let waitingBarsMax: UInt64
    private var clocks: PartitionClocks
    private var machines: [BreadthMachine]
    private var versions: [BreadthVersions]
    /// That came since all partitions together moved last.
    private var waitingBars: UInt64 = 0
    /// By partition.
    private var days: [DayInParts?]
    private var values: [BreadthValue] = []

    private static let envelope = StateEnvelope("UNIV", version: 2)

    /// A machine waits for one clock: that of all partitions.
    public init(
        partitions: Int, machines: [BreadthMachine],
        waitingBarsMax: UInt64 = StreamLimits.waitingBarsMax
    ) {
        self.waitingBarsMax = waitingBarsMax
        days = Array(repeating: nil, count: partitions)
        clocks = PartitionClocks(partitions: partitions)
        self.machines = machines
        versions = machines.map { _ in BreadthVersions() }
    }

    /// The bars of all partitions are out up to here.
    public var watermark: Timestamp { clocks.watermark }
    /// Partitions that nobody waits for at present: what is told is without what they still tell.
    public var leftOut: [Int] { clocks.leftOut }
    public var openWindows: Int { machines.reduce(0) { $0 + $1.openWindows } }
    /// For which machines had no room, whenever they were named.
    public var symbolsRefused: UInt64 {
        machines.reduce(0) { $0 &+ $1.counters.refusedSymbols }
    }
    /// Of the machine that knows most.
    public var symbols: Int { machines.map(\.symbolCount).max() ?? 0 }

    /// The machine's number for a symbol; nil: it counts for nothing there.
    public mutating func symbol(_ symbol: Symbol, machine: Int) -> UInt32? {
        machines[machine].symbol(symbol)
    }

    /// One version of a bar of the machine's series; its symbol is the machine's number.
    public mutating func take(_ bar: Bar, machine: Int) { machines[machine].bar(bar) }

    /// To be called once for each bar that was taken, by however many machines.
    public mutating func countBar() { waitingBars &+= 1 }

    /// The bars of a partition are out up to here; true when all of them together moved, and
    /// values may be there.
    public mutating func hear(_ watermark: Timestamp, of partition: Int) -> Bool {
        var hasMoved = clocks.hear(watermark, of: partition)
        if !hasMoved, waitingBars > waitingBarsMax { hasMoved = clocks.leaveOutSlowest() }
        if hasMoved { waitingBars = 0 }
        return hasMoved
    }

    /// A part of what a provider tells of a day, in their order; with the last one the machine
    /// knows it.
    public mutating func take(
        _ part: DayPart, _ price: Price, of partition: Int, symbol: UInt32, machine: Int,
        from open: Timestamp, to close: Timestamp
    ) {
        guard days.indices.contains(partition) else { return }
        if part == .high {
            days[partition] = DayInParts(
                machine: machine, symbol: symbol,
                bar: DailyBar(
                    openTime: open, closeTime: close, high: price, low: .undefined,
                    close: .undefined))
            return
        }
        guard var day = days[partition], day.machine == machine, day.symbol == symbol,
            day.bar.openTime == open, day.bar.closeTime == close
        else { return }
        if part == .low {
            day.bar.low = price
            days[partition] = day
        } else {
            day.bar.close = price
            days[partition] = nil
            machines[machine].warm(symbol, day.bar)
        }
    }

    /// Appends what a machine tells at the common time.
    public mutating func advance(machine: Int, into told: inout [Value]) {
        machines[machine].advance(partition: 0, watermark: watermark, into: &values)
        let measures = machines[machine].rule.measures.count
        for value in values {
            let revision = versions[machine].next(value, measures: measures)
            told.append(Value(value: value, revision: revision))
        }
        values.removeAll(keepingCapacity: true)
        versions[machine].forget(watermark, lateness: machines[machine].series.lateness)
    }

    // MARK: as bytes

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        clocks.encode(into: &bytes)
        bytes.append(integer: waitingBars)
        for day in days { Self.encode(day, into: &bytes) }
        for (machine, versions) in zip(machines, versions) {
            versions.encode(into: &bytes)
            var state: [UInt8] = []
            machine.encode(into: &state)
            bytes.append(integer: UInt32(state.count))
            bytes.append(contentsOf: state)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    /// The state whose `encode` made these bytes. `blank` is one of the same graph and tape.
    public init(_ blank: UniverseState, restoring bytes: RawSpan) throws(CheckpointError) {
        self = blank
        var reader = try Self.envelope.open(bytes)
        clocks = try PartitionClocks(&reader, bytes, partitions: clocks.told.count)
        waitingBars = try reader.tally(in: bytes)
        for index in days.indices {
            days[index] = try Self.day(&reader, bytes, machines: machines.count)
        }
        for index in machines.indices {
            let blank = machines[index]
            versions[index] = try BreadthVersions(
                &reader, bytes, measures: blank.rule.measures.count)
            let count = try reader.count(
                of: .part, max: CheckpointLimits.bytesMax, bytesEach: 1, in: bytes)
            let start = try reader.take(count)
            machines[index] = try BreadthMachine(
                rule: blank.rule, series: blank.series, calendar: blank.calendar, partitions: 1,
                restoring: bytes.extracting(start..<start + count))
        }
        try reader.finish()
    }

    private static func encode(_ day: DayInParts?, into bytes: inout [UInt8]) {
        bytes.append(day == nil ? 0 : 1)
        guard let day else { return }
        bytes.append(integer: UInt32(day.machine))
        bytes.append(integer: day.symbol)
        bytes.append(integer: day.bar.openTime.nanoseconds)
        bytes.append(integer: day.bar.closeTime.nanoseconds)
        bytes.append(integer: day.bar.high.raw)
        bytes.append(integer: day.bar.low.raw)
    }

    private static func day(
        _ reader: inout StateReader, _ bytes: RawSpan, machines: Int
    ) throws(CheckpointError) -> DayInParts? {
        guard try reader.flag(of: .part, in: bytes) else { return nil }
        let machine = Int(try reader.uint32(in: bytes))
        guard machine < machines else { throw reader.malformed(.part) }
        return DayInParts(
            machine: machine, symbol: try reader.uint32(in: bytes),
            bar: DailyBar(
                openTime: Timestamp(nanoseconds: try reader.int64(in: bytes)),
                closeTime: Timestamp(nanoseconds: try reader.int64(in: bytes)),
                high: Price(raw: try reader.int64(in: bytes)),
                low: Price(raw: try reader.int64(in: bytes)), close: .undefined))
    }
}
