import MarketModel
import Primitives
import ServiceTestSupport
import StreamCore
import TapeCodec
import Testing

@testable import OperatorWorker

/// The content of `md.bars.<p>`: bars in order, and a sentence for everything that is wrong.
struct BarsOnTape {
    private(set) var bars: [PlainBar] = []
    private(set) var all: [Bar] = []
    private(set) var late: [LateTickRecord] = []
    private(set) var values: [IndicatorValue] = []
    private(set) var problems: [String] = []
    private(set) var epochs: [UInt64] = []
    private(set) var inputs: [TapePosition] = []
    private(set) var markers: [EpochMarker] = []
    private(set) var sources: Set<String> = []
    private(set) var packets = 0

    private var symbols: [UInt64: SymbolDefinition] = [:]
    private var series: [UInt64: SeriesDefinition] = [:]
    private var nextOrdinal: UInt64 = 1
    private var ledger = OutputLedger(published: nil)

    /// `after` is the last ordinal of a former tape.
    init(_ tape: TestTape, _ partition: Int, after: UInt64 = 0) throws {
        if after > 0 {
            let end = OutputLedger.End(ordinal: after, checksum: 0)
            nextOrdinal = after + 1
            ledger = OutputLedger(after: end, published: end)
        }
        for packet in try tape.barPackets(Partition(partition)) { read(packet) }
    }

    private mutating func read(_ packet: TestTape.StoredPacket) {
        packets += 1
        if packet.header.firstOrdinal != nextOrdinal {
            problems.append("ordinal \(packet.header.firstOrdinal) follows, not \(nextOrdinal)")
        }
        nextOrdinal = packet.header.nextOrdinal
        if epochs.last != packet.header.epoch { epochs.append(packet.header.epoch) }
        symbols = [:]
        series = [:]
        var cursor = RecordCursor()
        packet.payload.withRawSpan { bytes in
            while let record = cursor.next(in: bytes) {
                switch record {
                case .bar(let bar): add(bar)
                case .other(let message):
                    if let (index, definition) = message.symbolDefinition(in: bytes) {
                        symbols[UInt64(index)] = definition
                    } else if let (index, definition) = message.seriesDefinition(in: bytes) {
                        series[UInt64(index)] = definition
                    } else if let marker = message.epochMarker(in: bytes) {
                        markers.append(marker)
                    } else if let tick = message.lateTick(in: bytes) {
                        add(tick)
                    } else if let value = message.indicatorValue(in: bytes) {
                        _ = ledger.record(
                            value, of: symbols[UInt64(value.header.symbol)]?.pair)
                        values.append(value)
                    }
                case .trade, .quote, .malformed: problems.append("no bar")
                }
            }
            guard let state = PacketReader.outputState(of: bytes) else { return }
            inputs.append(state.input)
            if state.checksum != ledger.checksum { problems.append("another checksum") }
        }
    }

    private mutating func add(_ bar: Bar) {
        guard let symbol = symbols[UInt64(bar.symbol)], let series = series[UInt64(bar.series)]
        else {
            problems.append("a bar without its definitions")
            return
        }
        _ = ledger.record(bar, of: symbol.pair, series: series.name)
        sources.insert(symbol.source?.text ?? "none")
        bars.append(PlainBar(symbol.symbol.text, series.name.text, bar))
        all.append(bar)
    }

    private mutating func add(_ tick: LateTickRecord) {
        guard let symbol = symbols[UInt64(tick.header.symbol)],
            let series = series[UInt64(tick.series)]
        else {
            problems.append("a late tick without its definitions")
            return
        }
        _ = ledger.record(tick, of: symbol.pair, series: series.name)
        late.append(tick)
    }

    /// Returns the valid version of each bar, by series and open time.
    func newest(_ name: String) -> [Int64: Bar] {
        var newest: [Int64: Bar] = [:]
        for (bar, plain) in zip(all, bars) where plain.series == name {
            newest[plain.openTime] = bar
        }
        return newest
    }
}

extension SymbolDefinition {
    /// The symbol and source of a packet of bars.
    var pair: SourceSymbol { SourceSymbol(symbol, of: source ?? .operator) }
}
