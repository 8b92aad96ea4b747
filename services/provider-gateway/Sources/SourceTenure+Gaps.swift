import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

/// What the gateway itself puts on record of gaps.
extension SourceTenure {
    var hasGapsDue: Bool { gaps.hasDue || desk?.hasDue == true }

    /// Spooled packets could not be read: any symbol of their lanes may miss ticks from the oldest
    /// of them up to now. Others of that time are on the tape, so nobody may fill the gap in.
    func note(lossesOf traffic: SpoolTraffic) {
        var since: [Int: Timestamp] = [:]
        for loss in traffic.losses {
            since[loss.lane] = min(since[loss.lane] ?? loss.from, loss.from)
        }
        traffic.forgetLosses()
        let now = time.now()
        for (symbol, place) in lanes.places.enumerated() {
            guard let from = since[place.lane] else { continue }
            gaps.missed(
                GapBook.Gap(symbol: symbol, kind: .any, from: from, to: now, reason: .dropped))
        }
        for lane in since.keys { lostBooks(inLane: lane, to: now) }
        writeGaps()
    }

    /// Puts gap records that are due into their lanes, as far as there is room.
    func writeGaps() {
        if gaps.hasDue { writeOwn() }
        if let desk, desk.hasDue { writeSettled(desk) }
    }

    private func writeOwn() {
        for lane in lanes.tickLanes {
            while let gap = gaps.due(lane: lane), !publisher.isFull(lane: lane) {
                guard publisher.append(.gap(record(gap)), lane: lane) == .appended else { break }
                gaps.written(lane: lane)
                parts.metrics.wrote(gap)
            }
        }
    }

    private func record(_ gap: GapBook.Gap) -> GapRecord {
        let passed = supply.lastPassed
        return GapRecord(
            header: TickHeader(
                symbol: lanes.places[gap.symbol].symbol, providerTime: passed?.time ?? .undefined,
                receiveTime: time.now(), providerID: passed?.id ?? 0),
            from: gap.from, to: gap.to, kind: gap.kind, reason: gap.reason, state: .open)
    }

    /// Of what is missing from before: what this gateway settles.
    private func writeSettled(_ desk: GapDesk) {
        for lane in lanes.tickLanes {
            let partition = publisher.partition(lane: lane)
            while let next = desk.due(partition), !publisher.isFull(lane: lane) {
                let record = record(next, symbol: number(of: next.symbol, lane))
                guard publisher.append(.gap(record), lane: lane) == .appended else { break }
                desk.written(partition)
            }
        }
    }

    /// In the lane; also of one that is in no list any more.
    private func number(of symbol: Symbol, _ lane: Int) -> UInt32 {
        if let number = supply.number(of: symbol) { return place(of: number).symbol }
        if let known = unlisted[symbol] { return known }
        let definition = SymbolDefinition(symbol: symbol, provider: "", since: .undefined)
        let number = publisher.register(definition, lane: lane)
        unlisted[symbol] = number
        return number
    }

    private func record(_ settlement: GapHandOver.Settlement, symbol: UInt32) -> GapRecord {
        let part = settlement.part
        var record = GapRecord(
            header: TickHeader(symbol: symbol, providerTime: .undefined, receiveTime: time.now()),
            from: part.from, to: part.to, kind: .any, reason: .unknown, state: settlement.state,
            detail: settlement.detail)
        (record.kind, record.reason) = (part.kind, part.reason)
        return record
    }
}
