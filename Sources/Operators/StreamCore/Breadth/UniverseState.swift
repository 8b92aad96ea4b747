public import MarketModel
public import Primitives

/// The state of the share over all partitions: a machine for each node of the graph with
/// `scope: all`, and for each of them the watermark of each partition. Those of breadth have the
/// first indexes, and those of scans the next ones. `UniverseMachine` of the
/// module OperatorGraph reads the packets and calls it.
public struct UniverseState: Sendable {
    /// One version of a measure's value, with its revision.
    public struct Value: Hashable, Sendable {
        public var value: BreadthValue
        /// The revision, 0 for the first version.
        public var revision: UInt32
    }

    /// One of the three values in which a partition publishes a provider's day. They may be spread
    /// over two packets.
    public enum DayPart: Int, CaseIterable, Sendable {
        case high, low, close

        /// The last part of the values' names, after the node's name.
        public var name: String { "history.\(self)" }
    }

    /// A provider's day of which not all parts have come. `symbol` is the machine's number.
    private struct DayInParts: Hashable, Sendable {
        var machine: Int
        var symbol: UInt32
        var bar: DailyBar
    }

    /// With more waiting bars, the slowest partitions are left out.
    private let waitingBarsMax: UInt64
    /// By machine, how far the sources that count there have come. All are equal where each machine
    /// counts all sources.
    private var progress: [Progress]
    /// The machines, one per node with `scope: all`. A parameter `machine` is an index here.
    private var machines: [BreadthMachine]
    private var scans: [ScanMachine]
    /// By machine, how often its values were published.
    private var versions: [BreadthVersions]
    /// By partition: the day whose parts are coming in; `nil` when none is.
    private var days: [DayInParts?]
    /// By partition, what its bars last said of sources.
    private var states: [[SourceState]]
    /// The values that a machine has just published, before they get their revisions.
    private var values: [BreadthValue] = []

    /// How far the partitions are for one machine.
    private struct Progress: Hashable, Sendable {
        var clocks: PartitionClocks
        /// Bars that came since the common watermark last moved.
        var waitingBars: UInt64 = 0
    }

    private static let envelope = StateEnvelope("UNIV", version: 1)

    /// `machines` have one partition each, because their only clock is the common one. There is at
    /// least one machine or scan.
    public init(
        partitions: Int, machines: [BreadthMachine], scans: [ScanMachine] = [],
        waitingBarsMax: UInt64 = StreamLimits.waitingBarsMax
    ) {
        self.waitingBarsMax = waitingBarsMax
        days = Array(repeating: nil, count: partitions)
        states = Array(repeating: [], count: partitions)
        let blank = Progress(clocks: PartitionClocks(partitions: partitions))
        progress = Array(repeating: blank, count: machines.count + scans.count)
        self.machines = machines
        self.scans = scans
        versions = machines.map { _ in BreadthVersions() }
        for machine in progress.indices { choose(machine) }
    }

    /// The common watermark of the machine that is farthest behind: up to this time the bars of all
    /// partitions that are waited for are complete, and so are all values.
    public var watermark: Timestamp {
        progress.map(\.clocks.watermark).min() ?? SourceTable.noWatermark
    }
    /// The partitions for which a machine does not wait at present.
    public var leftOut: [Int] {
        Set(progress.flatMap(\.clocks.leftOut)).sorted()
    }
    /// The number of windows of all machines that are open, or may still be revised.
    public var openWindows: Int {
        machines.reduce(0) { $0 + $1.openWindows } + scans.reduce(0) { $0 + $1.openWindows }
    }
    /// Symbols for which machines had no room. A symbol is counted each time that it is named.
    public var symbolsRefused: UInt64 {
        (machines.map(\.counters.refusedSymbols) + scans.map(\.counters.refusedSymbols))
            .reduce(0, &+)
    }
    /// The number of symbols in the machine that has most.
    public var symbols: Int {
        (machines.map(\.symbolCount) + scans.map(\.symbolCount)).max() ?? 0
    }

    /// Returns the machine's number for a symbol; `nil` when the symbol does not count there.
    public mutating func symbol(_ symbol: SourceSymbol, machine: Int) -> UInt32? {
        let known = choices(machine)
        let number =
            machine < machines.count
            ? machines[machine].symbol(symbol) : scans[machine - machines.count].symbol(symbol)
        if choices(machine) > known { choose(machine) }
        return number
    }

    /// Returns the name behind a number that a scan's value has.
    public func name(_ number: UInt32, machine: Int) -> SourceSymbol? {
        scans[machine - machines.count].name(number)
    }

    /// The sources and groups of a machine's symbols.
    private func sources(_ machine: Int) -> Set<SourceName> {
        machine < machines.count
            ? machines[machine].known.sources : scans[machine - machines.count].known.sources
    }

    /// Returns a number that rises when there are other sources to choose from.
    private func choices(_ machine: Int) -> Int {
        let scan = machine - machines.count
        return scan < 0 || scans[scan].rule.derivation == nil
            ? sources(machine).count : scans[scan].symbolCount
    }

    private func choice(_ machine: Int) -> SourceChoice {
        machine < machines.count
            ? machines[machine].choice : scans[machine - machines.count].choice
    }

    /// Notes what a packet of a partition's bars says of sources. Their watermarks are for
    /// `receive`.
    public mutating func note(_ said: [SourceState], of partition: Int) {
        guard states.indices.contains(partition) else { return }
        var unusual = said.filter { !$0.isUsual }
        for index in unusual.indices { unusual[index].watermark = .undefined }
        guard states[partition] != unusual else { return }
        states[partition] = unusual
        for machine in progress.indices { choose(machine) }
    }

    /// Chooses the sources that count in a machine.
    private mutating func choose(_ machine: Int) {
        let scan = machine - machines.count
        let named = scan < 0 ? machines[machine].rule.sources : scans[scan].rule.sources
        let choice =
            states.contains { !$0.isEmpty }
            ? SourceChoice(
                states, among: sources(machine), bars: scan < 0 ? nil : scans[scan].sourcesOfBars,
                named: named)
            : SourceChoice(named: named)
        if scan < 0 { machines[machine].choice = choice } else { scans[scan].choice = choice }
    }

    /// Takes one version of a bar of the machine's series. Its symbol is the machine's number.
    public mutating func take(_ bar: Bar, machine: Int) {
        if machine < machines.count {
            machines[machine].bar(bar)
        } else {
            scans[machine - machines.count].bar(bar)
        }
    }

    /// Takes a value of an indicator that a scan derives a number of, as `ScanMachine.take`.
    public mutating func take(
        _ value: Int128, at time: Int64, input: Int, symbol: UInt32, machine: Int
    ) {
        scans[machine - machines.count].take(value, at: time, input: input, symbol: symbol)
    }

    /// Counts a bar as waiting. Has to be called once per bar, however many machines take it.
    public mutating func countBar() {
        for machine in progress.indices { progress[machine].waitingBars &+= 1 }
    }

    /// Notes how far a partition's bars are complete: by the watermarks of the sources that count
    /// in the machine, as its packet says them, or by that of the packet where it says none of
    /// these. Returns whether the machine's common watermark moved, so that there may be new
    /// values.
    public mutating func receive(
        _ watermark: Timestamp, _ said: [SourceState], of partition: Int, machine: Int
    ) -> Bool {
        let reached = choice(machine).watermark(said) ?? watermark
        var own = progress[machine]
        var hasMoved = own.clocks.receive(reached, of: partition)
        if !hasMoved, own.waitingBars > waitingBarsMax { hasMoved = own.clocks.leaveOutSlowest() }
        if hasMoved { own.waitingBars = 0 }
        progress[machine] = own
        return hasMoved
    }

    /// Whether the machine waits for each partition. If not, its values are published without the
    /// bars that these have not published yet.
    public func awaitsAll(machine: Int) -> Bool {
        progress[machine].clocks.leftOut.isEmpty
    }

    /// Takes a part of a provider's day [open, close), in the order of `DayPart`. The last part
    /// hands the day to the machine. A part that does not follow the part before it is ignored.
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

    /// Appends the values that the machine publishes at its common watermark.
    public mutating func advance(machine: Int, into output: inout [Value]) {
        let watermark = progress[machine].clocks.watermark
        machines[machine].advance(partition: 0, watermark: watermark, into: &values)
        let measures = machines[machine].rule.measures.count
        for value in values {
            let revision = versions[machine].next(value, measures: measures)
            output.append(Value(value: value, revision: revision))
        }
        values.removeAll(keepingCapacity: true)
        versions[machine].forget(watermark, lateness: machines[machine].series.lateness)
    }

    /// Appends the values that a scan publishes at its common watermark.
    public mutating func advance(scan machine: Int, into output: inout [ScanValue]) {
        scans[machine - machines.count].advance(
            to: progress[machine].clocks.watermark, into: &output)
    }

    // MARK: as bytes

    public func encode(into bytes: inout [UInt8]) {
        let start = Self.envelope.begin(&bytes)
        for said in states { Self.encode(said, into: &bytes) }
        for progress in progress {
            progress.clocks.encode(into: &bytes)
            bytes.append(integer: progress.waitingBars)
        }
        for day in days { Self.encode(day, into: &bytes) }
        for (machine, versions) in zip(machines, versions) {
            versions.encode(into: &bytes)
            var state: [UInt8] = []
            machine.encode(into: &state)
            bytes.append(integer: UInt32(state.count))
            bytes.append(contentsOf: state)
        }
        for scan in scans {
            var state: [UInt8] = []
            scan.encode(into: &state)
            bytes.append(integer: UInt32(state.count))
            bytes.append(contentsOf: state)
        }
        Self.envelope.seal(&bytes, from: start)
    }

    /// Restores the state whose `encode` wrote these bytes. `blank` is a new state for the same
    /// graph and number of partitions.
    public init(_ blank: UniverseState, restoring bytes: RawSpan) throws(CheckpointError) {
        self = blank
        var reader = try Self.envelope.open(bytes)
        for index in states.indices { states[index] = try Self.states(&reader, bytes) }
        for machine in progress.indices {
            progress[machine] = try Self.progress(&reader, bytes, partitions: days.count)
        }
        for index in days.indices {
            days[index] = try Self.day(&reader, bytes, machines: machines.count)
        }
        for index in machines.indices {
            let blank = machines[index]
            versions[index] = try BreadthVersions(
                &reader, bytes, measures: blank.rule.measures.count)
            machines[index] = try BreadthMachine(
                rule: blank.rule, series: blank.series, calendar: blank.calendar, partitions: 1,
                restoring: bytes.extracting(try Self.part(&reader, bytes)))
        }
        for index in scans.indices {
            let blank = scans[index]
            scans[index] = try ScanMachine(
                rule: blank.rule, series: blank.series,
                restoring: bytes.extracting(try Self.part(&reader, bytes)))
        }
        try reader.finish()
        for machine in progress.indices { choose(machine) }
    }

    /// Skips the bytes of a machine after their number, and returns their range.
    private static func part(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) -> Range<Int> {
        let count = try reader.count(
            of: .part, max: CheckpointLimits.bytesMax, bytesEach: 1, in: bytes)
        let start = try reader.take(count)
        return start..<start + count
    }

    private static func progress(
        _ reader: inout StateReader, _ bytes: RawSpan, partitions: Int
    ) throws(CheckpointError) -> Progress {
        let clocks = try PartitionClocks(&reader, bytes, partitions: partitions)
        return Progress(clocks: clocks, waitingBars: try reader.tally(in: bytes))
    }

    private static func encode(_ states: [SourceState], into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(states.count))
        for state in states {
            bytes.append(text: state.source.text)
            bytes.append(integer: state.since.nanoseconds)
            bytes.append(
                integer: UInt16(state.presence.rawValue) | UInt16(state.kind.number) << 8)
        }
    }

    private static func states(
        _ reader: inout StateReader, _ bytes: RawSpan
    ) throws(CheckpointError) -> [SourceState] {
        let count = try reader.count(
            of: .source, max: StreamLimits.sourcesKnownMax, bytesEach: 12, in: bytes)
        var states: [SourceState] = []
        for _ in 0..<count {
            let text = try reader.text(of: .source, max: SourceName.utf8CountMax, in: bytes)
            let since = Timestamp(nanoseconds: try reader.int64(in: bytes))
            let both = try reader.uint16(in: bytes)
            guard let source = SourceName(text),
                let presence = SourceState.Presence(rawValue: UInt8(truncatingIfNeeded: both)),
                let kind = SourceKind(number: UInt8(truncatingIfNeeded: both >> 8))
            else { throw reader.malformed(.source) }
            states.append(
                SourceState(source: source, presence: presence, kind: kind, since: since))
        }
        return states
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
