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

    /// Bars that came since all partitions together moved last: beyond, nobody is waited for any
    /// more until they move, so that one partition cannot fill the memory with the others' bars.
    public static let waitingBarsMax: UInt64 = 4_194_304

    private var clocks: PartitionClocks
    private var machines: [BreadthMachine]
    private var versions: [BreadthVersions]
    private var waitingBars: UInt64 = 0
    private var values: [BreadthValue] = []

    private static let envelope = StateEnvelope("UNIV", version: 1)

    /// A machine waits for one clock: that of all partitions.
    public init(partitions: Int, machines: [BreadthMachine]) {
        clocks = PartitionClocks(partitions: partitions)
        self.machines = machines
        versions = machines.map { _ in BreadthVersions() }
    }

    /// The bars of all partitions are out up to here.
    public var watermark: Timestamp { clocks.watermark }
    public var openWindows: Int { machines.reduce(0) { $0 + $1.openWindows } }
    /// Of the machine that knows most.
    public var symbols: Int { machines.map(\.symbolCount).max() ?? 0 }

    /// The machine's number for a symbol; nil: it counts for nothing there.
    public mutating func symbol(_ symbol: Symbol, machine: Int) -> UInt32? {
        machines[machine].symbol(symbol)
    }

    /// One version of a bar of the machine's series; its symbol is the machine's number.
    public mutating func take(_ bar: Bar, machine: Int) {
        waitingBars &+= 1
        machines[machine].bar(bar)
    }

    /// The bars of a partition are out up to here; true when all of them together moved, and
    /// values may be there.
    public mutating func hear(_ watermark: Timestamp, of partition: Int) -> Bool {
        let waits = waitingBars <= Self.waitingBarsMax
        guard clocks.hear(watermark, of: partition, waits: waits) else { return false }
        waitingBars = 0
        return true
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
}
