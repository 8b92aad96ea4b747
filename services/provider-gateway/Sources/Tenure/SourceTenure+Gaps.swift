import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeCodec
import TapeTransport

/// The gap records that the gateway itself writes: for ticks that it left out or lost
/// (`PendingGaps`), and to settle gaps of earlier tenures (`GapTracker`). Providers send other gap
/// records, which are taken as any record.
extension SourceTenure {
    /// Records gaps for spooled packets that could not be read. Any symbol of their lanes may lack
    /// ticks, from the oldest time of these packets until now. The reason is `dropped`, so that no
    /// provider fills the gap: other ticks of the same time are on the tape and would come twice.
    func note(lossesOf traffic: SpoolTraffic) {
        guard !traffic.losses.isEmpty else { return }
        // A symbol may have no record in this tenure.
        addPlaces()
        let now = inflow.time.now()
        for loss in traffic.losses {
            ledgers.gaps.lost(lane: loss.lane, from: loss.from, to: now)
            markBooksVoid(inLane: loss.lane, until: now)
        }
        traffic.forgetLosses()
        writeGaps()
    }

    /// Appends due gap records to the packets of their lanes, as far as there is room. The rest
    /// stays due.
    func writeGaps() {
        if ledgers.gaps.hasDue { writeOwn() }
        if let tracker = ledgers.tracker, tracker.hasDue { writeSettled(tracker) }
    }

    /// Appends the records of this tenure's gaps.
    private func writeOwn() {
        for lane in outflow.lanes.tickLanes {
            while let gap = ledgers.gaps.due(lane: lane), !outflow.publisher.isFull(lane: lane) {
                guard outflow.publisher.append(.gap(record(gap)), lane: lane) == .appended else {
                    break
                }
                ledgers.gaps.written(lane: lane)
                parts.metrics.wrote(gap)
            }
        }
    }

    /// Returns the record of a gap. It names the provider's last tick, if the provider numbers its
    /// ticks.
    private func record(_ gap: PendingGaps.Gap) -> GapRecord {
        let (time, id) = inflow.ticks.stamp(gap.symbol)
        return GapRecord(
            header: TickHeader(
                symbol: outflow.lanes.places[gap.symbol].symbol, providerTime: time,
                receiveTime: inflow.time.now(), providerID: id),
            from: gap.from, to: gap.to, kind: gap.kind, reason: gap.reason, state: .open)
    }

    /// Appends the gap records with which this gateway settles gaps of earlier tenures.
    private func writeSettled(_ tracker: GapTracker) {
        for lane in outflow.lanes.tickLanes {
            let partition = outflow.publisher.partition(lane: lane)
            while let next = tracker.due(partition), !outflow.publisher.isFull(lane: lane) {
                let record = record(next, symbol: number(of: next.symbol, lane))
                guard outflow.publisher.append(.gap(record), lane: lane) == .appended else { break }
                tracker.written(partition)
            }
        }
    }

    /// Returns the symbol's number in the lane. A symbol that is in no list any more gets one, too,
    /// with a definition that has no provider.
    private func number(of symbol: Symbol, _ lane: Int) -> UInt32 {
        if let number = inflow.ticks.number(of: symbol) { return place(of: number).symbol }
        if let known = ledgers.unlisted[symbol] { return known }
        let definition = SymbolDefinition(symbol: symbol, provider: "", since: .undefined)
        let number = outflow.publisher.register(definition, lane: lane)
        ledgers.unlisted[symbol] = number
        return number
    }

    /// Returns the record of a settlement. The gap's kind and reason are raw values, which the
    /// initialiser does not take.
    private func record(_ settlement: GapHandOver.Settlement, symbol: UInt32) -> GapRecord {
        let part = settlement.part
        var record = GapRecord(
            header: TickHeader(
                symbol: symbol, providerTime: .undefined, receiveTime: inflow.time.now()),
            from: part.from, to: part.to, kind: .any, reason: .unknown, state: settlement.state,
            detail: settlement.detail)
        (record.kind, record.reason) = (part.kind, part.reason)
        return record
    }
}
