import MarketModel
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

/// One partition of the operator: packets of ticks in, bars for its lane out.
///
/// Pure but for what it appends to the lane: what it computes follows from the packets alone.
struct PartitionOperator {
    /// Computed bars that have no place in a packet yet: beyond this the reader is held.
    static let outboxMax = 4_096

    let partition: Partition
    let reader: Int
    let lane: Int
    private(set) var machine: BarMachine
    private(set) var ledger: OutputLedger
    /// Why nothing more comes out of this partition; a person has to look.
    private(set) var stopped: String?

    private struct Output {
        let bar: Bar
        let ordinal: UInt64
        /// The running checksum up to and with it.
        let checksum: UInt64
    }

    /// An input that made output, and the last of it.
    private struct InputEnd {
        let ordinal: UInt64
        let position: TapePosition
    }

    private var outbox: [Output] = []
    /// Of the inputs whose output is in the outbox. Never longer than that.
    private var ends: [InputEnd] = []
    private var closed: [Bar] = []
    private var late: [LateTick] = []
    /// What the indexes of the packet at hand mean in the machine.
    private var packetSymbols: [UInt32] = []
    /// The lane's numbers for the machine's symbols and series.
    private var laneSymbols: [UInt32?] = []
    private let laneSeries: [UInt16]
    /// The last input whose output, and that of all before it, is in packets entirely; before the
    /// first one the start of the tape. And the checksum of the last bar in a packet.
    private var complete: TapePosition?
    private var packedChecksum: UInt64
    private var packedWatermark = SourceTable.noWatermark
    /// The last input, and what the tape knows of it.
    private var position: TapePosition?
    private var toldPosition: UInt64 = 0
    private var toldAt = Int64.min
    private(set) var suppressed: UInt64 = 0
    private(set) var published: UInt64 = 0
    private(set) var lateTicks: UInt64 = 0

    init(
        partition: Partition, reader: Int, lane: Int, settings: OperatorSettings,
        standing: OutputLedger.Standing?, publisher: TapePublisher
    ) {
        self.partition = partition
        self.reader = reader
        self.lane = lane
        machine = BarMachine(series: settings.series)
        ledger = OutputLedger(standing: standing)
        packedChecksum = standing?.checksum ?? 0
        laneSeries = settings.series.all.map {
            publisher.register(
                SeriesDefinition(name: $0.name, widthNanoseconds: $0.widthNanoseconds), lane: lane)
        }
    }

    var mustHold: Bool { outbox.count >= Self.outboxMax || stopped != nil }
    /// Nothing is left that may leave.
    var isEmpty: Bool { outbox.isEmpty || stopped != nil }
    var input: TapePosition? { position }

    /// The least of its sources' watermarks; the bars up to it are out.
    var watermark: Timestamp {
        machine.sources.entries.map(\.watermark).min() ?? SourceTable.noWatermark
    }

    // MARK: input

    /// Takes the next packet of the partition. `position` is where it stands.
    mutating func take(_ header: PacketHeader, _ packet: RawSpan, at position: TapePosition?) {
        guard stopped == nil else { return }
        self.position = position
        if complete == nil { complete = position?.streamStart }
        guard let source = machine.source(header.source, firstSeen: header.sendTime) else {
            stopped = "more sources feed this partition than the limit allows"
            return
        }
        if header.kind == .ticks { takeTicks(header, packet, source: source) }
        machine.advance(source: source, watermark: header.watermark, into: &closed)
        let waiting = outbox.count
        for bar in closed { record(bar) }
        if outbox.count > waiting, let position {
            ends.append(InputEnd(ordinal: ledger.nextOrdinal - 1, position: position))
        }
        closed.removeAll(keepingCapacity: true)
        machine.takeLateTicks(into: &late)
        lateTicks += UInt64(late.count)
        late.removeAll(keepingCapacity: true)
    }

    private mutating func takeTicks(_ header: PacketHeader, _ packet: RawSpan, source: Int) {
        packetSymbols.removeAll(keepingCapacity: true)
        if machine.received == 0, header.firstOrdinal > 1 { noteTapeStart(packet) }
        var walk = TradeWalk(firstOrdinal: header.firstOrdinal)
        takeTrades(&walk, packet, source: source)
        // A definition may stand between two trades, and changes what the indexes mean.
        while let message = walk.definition {
            define(message, packet, source: source)
            takeTrades(&walk, packet, source: source)
        }
    }

    private mutating func takeTrades(_ walk: inout TradeWalk, _ packet: RawSpan, source: Int) {
        let symbols = packetSymbols
        machine.trades(source: source) { walk.next(in: packet, symbols) }
    }

    /// Earlier ordinals are gone: nobody saw the windows that overlap the first tick from their
    /// start.
    private mutating func noteTapeStart(_ packet: RawSpan) {
        var first = Timestamp.undefined
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(let trade): first = min(first, trade.header.eventTime)
            case .quote(let quote): first = min(first, quote.header.eventTime)
            case .bar, .other, .malformed: continue
            }
        }
        if first.isDefined { machine.tapeStarts(at: first) }
    }

    private mutating func define(_ message: MessageBounds, _ packet: RawSpan, source: Int) {
        guard let (index, definition) = message.symbolDefinition(in: packet),
            index < PacketLimits.definitionsMax
        else { return }
        let subscription = Subscription(
            symbol: definition.symbol, provider: definition.provider, since: definition.since)
        while packetSymbols.count <= index { packetSymbols.append(BarMachine.noSymbol) }
        packetSymbols[Int(index)] =
            machine.symbol(subscription, source: source) ?? BarMachine.noSymbol
    }

    // MARK: output

    private mutating func record(_ closed: Bar) {
        var bar = closed
        bar.generation = OperatorSettings.generation
        let symbol = machine.symbols.symbol(at: bar.symbol)
        let series = machine.series.all[Int(bar.series)].name
        switch ledger.record(bar, symbol: symbol, series: series) {
        case .new(let ordinal):
            outbox.append(Output(bar: bar, ordinal: ordinal, checksum: ledger.checksum))
        case .suppressed: suppressed += 1
        case .diverged(let ordinal, let expected, let found):
            stopped =
                "the bars computed from the tape differ from those that stand on it at output "
                + "\(ordinal) (checksum \(expected) there, \(found) here): start with the "
                + "settings that made them (OPERATOR_SERIES), or use another namespace"
        }
    }

    /// Moves computed bars into the lane's packet, and sends it when the lane is free. `now` is
    /// monotonic.
    mutating func pump(_ publisher: TapePublisher, now: Int64) {
        guard stopped == nil else { return }
        pack(publisher)
        if outbox.isEmpty, ledger.isPastStanding { complete = position }
        guard publisher.isReady(lane: lane), let complete else { return }
        let hasBars = publisher.waitingTicks(lane: lane) > 0
        guard hasBars || mustTell(complete, now: now) else { return }
        if outbox.isEmpty { packedWatermark = watermark }
        published += UInt64(publisher.waitingTicks(lane: lane))
        toldPosition = complete.sequence
        toldAt = now
        publisher.publish(
            lane: lane, watermark: packedWatermark,
            output: OutputState(
                input: complete, checksum: packedChecksum,
                generation: OperatorSettings.generation))
    }

    /// Once a second an input that made no bars is told, too: readers see how far time has come.
    private func mustTell(_ complete: TapePosition, now: Int64) -> Bool {
        complete.sequence > toldPosition && watermark > packedWatermark
            && (toldAt == Int64.min || now - toldAt >= 1_000_000_000)
    }

    private mutating func pack(_ publisher: TapePublisher) {
        var packed = 0
        while packed < outbox.count, !publisher.isFull(lane: lane) {
            var bar = outbox[packed].bar
            bar.symbol = laneSymbol(bar.symbol, publisher)
            bar.series = laneSeries[Int(bar.series)]
            let isIn = publisher.append(bar, lane: lane)
            precondition(isIn, "a lane that was not full refused a bar")
            packedChecksum = outbox[packed].checksum
            packed += 1
        }
        guard packed > 0 else { return }
        let last = outbox[packed - 1].ordinal
        outbox.removeFirst(packed)
        let done = ends.prefix { $0.ordinal <= last }
        if let end = done.last { complete = end.position }
        ends.removeFirst(done.count)
    }

    private mutating func laneSymbol(_ symbol: UInt32, _ publisher: TapePublisher) -> UInt32 {
        while laneSymbols.count <= symbol { laneSymbols.append(nil) }
        if let known = laneSymbols[Int(symbol)] { return known }
        let source = machine.sources.entries[machine.symbols.source(of: symbol)].name
        let number = publisher.register(
            SymbolDefinition(
                symbol: machine.symbols.symbol(at: symbol), provider: "",
                since: .undefined, source: source),
            lane: lane)
        laneSymbols[Int(symbol)] = number
        return number
    }
}

extension TapePosition {
    /// Before the first packet of the same stream.
    fileprivate var streamStart: TapePosition {
        TapePosition(
            streamCreated: streamCreated, sequence: 0,
            packet: PacketIdentity(epoch: 0, firstOrdinal: 0, checksum: 0), sources: [])
    }
}
