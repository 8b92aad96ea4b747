import MarketModel
import OperatorGraph
import Primitives
import StreamCore
import TapeCodec
import TapeProtocol

/// One output of a partition, with its own ordinal. Its symbol and series are the machine's until
/// it goes into a packet.
enum OutputItem: Sendable {
    case bar(Bar)
    case late(LateTickRecord)
    case value(IndicatorValue)
}

// Turns the machine's results into numbered output.
extension PartitionOperator {
    /// Numbers the present packet's output in the order of publication: bars, then late ticks, then
    /// values. With `isHidden` it is counted and dropped: a new line of output is being built.
    mutating func keepOutput(isHidden: Bool, isRepair: Bool = false) {
        if isHidden {
            unpublished += UInt64(output.bars.count + values.count)
        } else {
            for bar in output.bars { record(bar, isRepair: isRepair) }
            for late in output.late { record(late) }
            for value in output.values { record(value) }
            for value in values { record(value) }
        }
        output.removeAll()
        values.removeAll(keepingCapacity: true)
    }

    /// Numbers a value of no single symbol, which is computed over all partitions.
    private mutating func record(_ value: IndicatorValue) {
        if let publishFrom, value.periodStart < publishFrom {
            unpublished += 1
            return
        }
        counted.revised += value.revision > 0 ? 1 : 0
        keep(.value(value), ledger.record(value, symbol: nil))
    }

    private mutating func record(_ closed: Bar, isRepair: Bool) {
        // A repair makes new versions of older bars, too, which the previous line published.
        if !isRepair, let publishFrom, closed.openTime < publishFrom {
            unpublished += 1
            return
        }
        var bar = closed
        bar.generation = settings.generation
        counted.revised += !isRepair && bar.reason == BarReason.late.rawValue ? 1 : 0
        let verdict = ledger.record(
            bar, symbol: machine.symbols.symbol(at: bar.symbol), series: name(ofSeries: bar.series))
        keep(.bar(bar), verdict)
    }

    private mutating func record(_ tick: LateTick) {
        if tick.reason == .duplicate { counted.duplicates += 1 } else { counted.late += 1 }
        let late = tick.record(source: machine.sources.entries[tick.source].name)
        let verdict = ledger.record(
            late, symbol: machine.symbols.symbol(at: late.header.symbol),
            series: name(ofSeries: late.series))
        keep(.late(late), verdict)
    }

    /// Numbers a value. Its time is the end of its period, because no clock is read.
    private mutating func record(_ computed: GraphValue) {
        let isFirst = computed.reason == BarReason.closed.rawValue
        let value = IndicatorValue(
            header: TickHeader(
                symbol: computed.symbol, providerTime: computed.periodEnd,
                receiveTime: computed.periodEnd),
            name: computed.name, value: computed.value, periodStart: computed.periodStart,
            periodEnd: computed.periodEnd,
            revision: isFirst ? 0 : UInt32(clamping: ledger.nextOrdinal))
        let symbol =
            computed.symbol == TickHeader.noSymbol
            ? nil : machine.symbols.symbol(at: computed.symbol)
        keep(.value(value), ledger.record(value, symbol: symbol))
    }

    /// Numbers the value for a refused repair, which takes the place of the repair's output.
    mutating func record(_ ranges: RefusedRanges, sequence: UInt64) {
        let symbol = ranges.isOfOneSymbol ? ranges.symbol : TickHeader.noSymbol
        let value = RefusedRepair(ranges, sequence: sequence).value(
            symbol: symbol, revision: UInt32(clamping: ledger.nextOrdinal))
        let known = symbol == TickHeader.noSymbol ? nil : machine.symbols.symbol(at: symbol)
        keep(.value(value), ledger.record(value, symbol: known))
    }

    private func name(ofSeries index: UInt16) -> SeriesName {
        settings.program.series[Int(index)].name
    }

    /// Puts new output into the outbox. Output that is on the tape already is suppressed. If the
    /// tape has something else there, the partition stops.
    private mutating func keep(_ item: OutputItem, _ verdict: OutputLedger.Verdict) {
        switch verdict {
        case .new(let ordinal):
            outbox.append(Output(item: item, ordinal: ordinal, checksum: ledger.checksum))
        case .suppressed: counted.suppressed += 1
        case .diverged(let ordinal, let expected, let found):
            stopped = RecoverySituation.divergence(
                at: ordinal, expected: expected, found: found, partition,
                definitionKey: settings.definitionKey)
        }
    }

    /// Notes that all output of the present input is computed.
    mutating func endInput() {
        guard let position, let last = outbox.last?.ordinal, last > inputEnds.last?.ordinal ?? 0
        else { return }
        inputEnds.append(InputEnd(ordinal: last, position: position))
    }
}
