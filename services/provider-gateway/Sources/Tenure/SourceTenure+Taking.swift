import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeCodec
import TapeTransport

/// How a tenure takes the providers' records, and what happens to each.
extension SourceTenure {
    /// The maximum of ticks taken in one turn; bounds how long acknowledgements wait.
    private static let ticksPerTurn = 1_024

    /// Takes the records that are due. Returns true when a full lane makes the provider wait.
    func takeTicks() -> Bool {
        let now = inflow.time.now()
        inflow.agreeOnTime()
        for _ in 0..<Self.ticksPerTurn {
            guard let due = inflow.ticks.peek() else { return false }
            switch choose(due) {
            case .take: if !take(due.symbol, now) { return true }
            case .leaveOut: leaveOut(due.symbol)
            case .hold: hold(due.symbol, now)
            case .wait:
                parts.metrics.blocked.add()
                return true
            }
        }
        return false
    }

    private enum Choice {
        case take
        case leaveOut
        case hold
        case wait
    }

    private func choose(_ due: DeliveredTicks.Due) -> Choice {
        if inflow.backpressure.isPressed, let kind = due.kind {
            switch action(kind, due.symbol, inflow.ticks.dueHeader) {
            case .take: break
            case .leaveOut: return .leaveOut
            case .hold: return .hold
            case .end:
                inflow.hasFailed = true
                return .wait
            }
        }
        let lane = place(of: due.symbol).lane
        if !inflow.held.isEmpty, comesAfterHeld(due), !release(due.symbol) {
            return withoutRoom(due)
        }
        guard outflow.publisher.isFull(lane: lane), !makeRoom(lane: lane) else { return .take }
        return withoutRoom(due)
    }

    private func action(
        _ kind: DataKind, _ symbol: Int, _ header: TickHeader?
    ) -> BackpressureMachine.Action {
        inflow.backpressure.action(
            kind: kind, symbol: symbol, time: header?.eventTime ?? .undefined,
            isFetched: header?.flags.contains(.backfilled) ?? false)
    }

    /// Returns whether the record that is due must come after the held quote of its symbol. That is
    /// true for a quote that does not replace it, and for records about the symbol's provider and
    /// gaps.
    private func comesAfterHeld(_ due: DeliveredTicks.Due) -> Bool {
        switch due.kind {
        case nil: true
        case .quote: !inflow.backpressure.isPressed
        default: false
        }
    }

    /// Decides about a due record that neither the tape nor the spool accepts.
    private func withoutRoom(_ due: DeliveredTicks.Due) -> Choice {
        let isNew = !inflow.backpressure.causes.contains(.noRoom)
        changed(inflow.backpressure.set(.noRoom, true))
        // Records about gaps and subscriptions are never left out.
        guard let kind = due.kind, !inflow.backpressure.waits(kind: kind) else { return .wait }
        let header = inflow.ticks.dueHeader
        let isFetched = header?.flags.contains(.backfilled) ?? false
        if inflow.backpressure.holds(kind: kind, symbol: due.symbol, isFetched: isFetched) {
            return .hold
        }
        guard isNew else { return .leaveOut }
        let action = action(kind, due.symbol, header)
        inflow.hasFailed = inflow.hasFailed || action == .end
        return action == .end ? .wait : .leaveOut
    }

    @inline(__always)
    func place(of symbol: Int) -> SourceLanes.Place {
        if symbol < outflow.lanes.places.count { return outflow.lanes.places[symbol] }
        return newPlace(of: symbol)
    }

    /// Returns the place of an instrument that was added after the tenure began.
    private func newPlace(of symbol: Int) -> SourceLanes.Place {
        while symbol != DeliveredTicks.noSymbol, outflow.lanes.places.count <= symbol,
            let name = inflow.ticks.symbol(outflow.lanes.places.count)
        {
            // The symbol's subscription will show since when the provider delivers it.
            let lane = outflow.lanes.add(
                name, provider: inflow.ticks.feeder(outflow.lanes.places.count))
            ledgers.gaps.addSymbol(lane: lane)
            inflow.addSymbol(lane: lane)
        }
        return symbol < outflow.lanes.places.count
            ? outflow.lanes.places[symbol] : outflow.lanes.placeOfNone
    }

    /// Takes the record that is due. Returns false when it has to wait for the next packet.
    private func take(_ symbol: Int, _ now: Timestamp) -> Bool {
        let place = place(of: symbol)
        guard let record = inflow.ticks.take() else { return true }
        switch record {
        case .tape(.trade) where place.symbol == TickHeader.noSymbol,
            .tape(.quote) where place.symbol == TickHeader.noSymbol:
            refuseUnknown(symbol)
        case .tape(.trade(var trade)):
            if !inflow.isRecorded, inflow.time.refuses(trade.header) {
                return refuse(.trade(trade), symbol, now)
            }
            trade.header.symbol = place.symbol
            append(outflow.publisher.append(trade, lane: place.lane))
        case .tape(.quote(var quote)):
            if !inflow.isRecorded, inflow.time.refuses(quote.header) {
                return refuse(.quote(quote), symbol, now)
            }
            leaveOutHeld(before: &quote, symbol)
            quote.header.symbol = place.symbol
            append(outflow.publisher.append(quote, lane: place.lane))
        case .tape(let other): return takeOther(other, symbol, now)
        case .definition(let definition): define(definition, symbol)
        case .feed: break
        }
        return true
    }

    /// Takes a record of a less frequent kind. A long record may need an empty packet.
    private func takeOther(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) -> Bool {
        if record.kind == .depth { return takeOfBook(record, symbol, now) }
        if case .subscription(let subscription) = record {
            // A recording has separate definitions of which provider feeds which symbol.
            if !inflow.isRecorded { begin(subscription, symbol) }
        } else if !inflow.isRecorded, record.kind != nil, let header = record.header,
            inflow.time.refuses(header)
        {
            return refuse(record, symbol, now)
        }
        let place = place(of: symbol)
        guard append(record, place) == .full else { return true }
        inflow.ticks.putBack()
        return makeRoom(lane: place.lane)
    }

    enum Appended {
        case appended
        case full
        /// The record was refused, counted and reported.
        case refused
    }

    func append(_ record: TapeRecord, _ place: SourceLanes.Place) -> Appended {
        let renamed = record.changed { $0.symbol = place.symbol }
        switch outflow.publisher.append(renamed, lane: place.lane) {
        case .appended:
            if record.kind != nil { parts.metrics.received.add() }
            return .appended
        case .full: return .full
        case .refused(let error):
            parts.metrics.refused.add()
            parts.context.telemetry.emit(
                RecordRefused(source: parts.settings.source, reason: "\(error)"))
            return .refused
        }
    }

    /// Updates the symbol's definition, which has its provider and the time since which it is fed.
    /// It does so at the first subscription of a tenure and at each change of provider.
    private func begin(_ subscription: SubscriptionRecord, _ symbol: Int) {
        let action = SubscriptionAction(rawValue: subscription.action)
        // The new provider's rows may begin in the middle of its book.
        if action == .switchProvider, inflow.depth.isKnown(symbol) {
            lost(symbol, to: subscription.header.eventTime)
        }
        guard symbol < outflow.lanes.places.count,
            subscription.provider.utf8.count <= SymbolDefinition.providerBytesMax,
            action == .switchProvider
                || action == .start && !outflow.lanes.places[symbol].isSubscribed
        else { return }
        guard let name = inflow.ticks.symbol(symbol) else { return }
        outflow.lanes.subscribed(
            symbol, name, by: subscription.provider, since: subscription.header.receiveTime)
    }

    private func define(_ definition: FeedDefinition, _ symbol: Int) {
        _ = place(of: symbol)
        guard symbol < outflow.lanes.places.count, let name = inflow.ticks.symbol(symbol) else {
            return
        }
        outflow.lanes.subscribed(symbol, name, by: definition.provider, since: definition.since)
    }

    /// Refuses a record of an unknown instrument, or one that lacks the instrument it needs.
    func refuseUnknown(_ symbol: Int) {
        parts.metrics.refused.add()
        parts.context.telemetry.emit(
            RecordRefused(
                source: parts.settings.source,
                reason: symbol == DeliveredTicks.noSymbol
                    ? "it has no instrument" : "there is no instrument \(symbol)"))
    }

    func append(_ isIn: Bool) {
        precondition(isIn, "a lane that was not full refused a tick")
        parts.metrics.received.add()
    }

    /// Makes a dead letter of a record that is stamped ahead. Its right time is unknown, so no
    /// reader of the tape may get it, and a gap record will cover it.
    func refuse(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) -> Bool {
        parts.metrics.future.add()
        guard let header = record.header else { return true }
        guard let name = inflow.ticks.symbol(symbol) else {
            refuseUnknown(symbol)
            return true
        }
        let lane = place(of: symbol).lane
        if let kind = record.kind {
            ledgers.gaps.leftOut(
                symbol: symbol, kind: kind, time: inflow.time.likelyTime(of: header),
                isFetched: header.flags.contains(.backfilled), now: clock.monotonic().nanoseconds)
        }
        parts.letters.refuse(
            FutureLetters.Refused(
                record: record, symbol: name, provider: inflow.ticks.provider,
                partition: outflow.publisher.partition(lane: lane),
                epoch: outflow.publisher.epoch(lane: lane),
                noted: now, aheadNanoseconds: header.eventTime.nanoseconds(since: now)))
        return true
    }

    private func leaveOut(_ symbol: Int) {
        _ = place(of: symbol)
        guard let record = inflow.ticks.take(), let kind = record.kind else { return }
        let header = record.header
        let time = header?.eventTime ?? .undefined
        if kind == .depth, symbol < outflow.lanes.places.count {
            let isReset = if case .tape(.depthReset) = record { true } else { false }
            leftOutOfBook(symbol, isReset: isReset, time)
            // The owed reset comes later.
            if isReset { return }
        }
        parts.metrics.leftOut(kind).add()
        guard symbol < outflow.lanes.places.count else { return }
        ledgers.gaps.leftOut(
            symbol: symbol, kind: kind, time: time,
            isFetched: header?.flags.contains(.backfilled) ?? false,
            now: clock.monotonic().nanoseconds)
    }
}
