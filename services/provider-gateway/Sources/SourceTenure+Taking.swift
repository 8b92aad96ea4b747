import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeCodec
import TapeTransport

/// How a tenure takes what providers have, and what becomes of each record.
extension SourceTenure {
    /// Ticks taken in one turn: bounds how long acknowledgements wait.
    private static let ticksPerTurn = 1_024

    /// Takes what is due; true when a full lane holds the provider up.
    func takeTicks() -> Bool {
        let now = time.now()
        time.agree(with: supply)
        for _ in 0..<Self.ticksPerTurn {
            guard let symbol = supply.dueSymbol(now: now) else { return false }
            switch choose(symbol) {
            case .take: if !take(symbol, now) { return true }
            case .leaveOut: leaveOut(symbol, now)
            case .hold: hold(symbol, now)
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

    private func choose(_ symbol: Int) -> Choice {
        if backpressure.isPressed, let kind = supply.nextKind {
            let action = backpressure.action(
                kind: kind, symbol: symbol, time: supply.nextTime,
                isFetched: supply.isNextFetched)
            switch action {
            case .take: break
            case .leaveOut: return .leaveOut
            case .hold: return .hold
            case .end:
                hasFailed = true
                return .wait
            }
        }
        let lane = place(of: symbol).lane
        if !held.isEmpty, comesBehindHeld, !release(symbol) { return withoutRoom(symbol) }
        guard publisher.isFull(lane: lane), !makeRoom(lane: lane) else { return .take }
        return withoutRoom(symbol)
    }

    /// The record that is due must not come before a quote of its symbol that waits: a quote that
    /// does not take its place, and what says who feeds the symbol, or what is missing of it.
    private var comesBehindHeld: Bool {
        switch supply.nextKind {
        case nil: true
        case .quote: !backpressure.isPressed
        default: false
        }
    }

    /// Neither the tape nor the spool takes the record that is due.
    private func withoutRoom(_ symbol: Int) -> Choice {
        let isNews = !backpressure.causes.contains(.noRoom)
        changed(backpressure.set(.noRoom, true))
        // What says that data are missing is not left out itself.
        guard let kind = supply.nextKind, !backpressure.waits(kind: kind) else { return .wait }
        let isFetched = supply.isNextFetched
        if backpressure.holds(kind: kind, symbol: symbol, isFetched: isFetched) { return .hold }
        guard isNews else { return .leaveOut }
        let action = backpressure.action(kind: kind, symbol: symbol, time: supply.nextTime)
        hasFailed = hasFailed || action == .end
        return action == .end ? .wait : .leaveOut
    }

    @inline(__always)
    func place(of symbol: Int) -> SourceLanes.Place {
        if symbol < lanes.places.count { return lanes.places[symbol] }
        return newPlace(of: symbol)
    }

    /// Of an instrument that was not there when the tenure began.
    private func newPlace(of symbol: Int) -> SourceLanes.Place {
        while symbol != TickSupply.noSymbol, lanes.places.count <= symbol,
            let name = supply.symbol(lanes.places.count)
        {
            // Since when it does is said with its subscription.
            let lane = lanes.add(name, provider: supply.feeder(lanes.places.count))
            gaps.addSymbol(lane: lane)
            backpressure.addSymbol()
            held.addSymbol(lane: lane)
        }
        return symbol < lanes.places.count ? lanes.places[symbol] : lanes.placeOfNone
    }

    /// False: it has to wait for the next packet.
    private func take(_ symbol: Int, _ now: Timestamp) -> Bool {
        let place = place(of: symbol)
        guard let record = supply.take(received: now) else { return true }
        switch record {
        case .tape(.trade) where place.symbol == TickHeader.noSymbol,
            .tape(.quote) where place.symbol == TickHeader.noSymbol:
            refuseUnknown(symbol)
        case .tape(.trade(var trade)):
            if !isRecorded, time.refuses(trade.header) {
                return refuse(.trade(trade), symbol, now)
            }
            trade.header.symbol = place.symbol
            append(publisher.append(trade, lane: place.lane))
        case .tape(.quote(var quote)):
            if !isRecorded, time.refuses(quote.header) {
                return refuse(.quote(quote), symbol, now)
            }
            leaveOutHeld(before: &quote, symbol)
            quote.header.symbol = place.symbol
            append(publisher.append(quote, lane: place.lane))
        case .tape(let other): return takeOther(other, symbol, now)
        case .definition(let definition): define(definition, symbol)
        case .feed: break
        }
        return true
    }

    /// The kinds that are fewer. A long one may need a packet that is still empty.
    private func takeOther(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) -> Bool {
        if record.kind == .depth { return takeOfBook(record, symbol, now) }
        if case .subscription(let subscription) = record {
            // A recording says itself who feeds what.
            if !isRecorded { begin(subscription, symbol) }
        } else if !isRecorded, record.kind != nil, let header = record.header,
            time.refuses(header)
        {
            return refuse(record, symbol, now)
        }
        let place = place(of: symbol)
        guard append(record, place) == .full else { return true }
        supply.putBack()
        return makeRoom(lane: place.lane)
    }

    enum Appended {
        case appended
        case full
        /// Counted, and told.
        case refused
    }

    func append(_ record: TapeRecord, _ place: SourceLanes.Place) -> Appended {
        let renamed = record.changed { $0.symbol = place.symbol }
        switch publisher.append(renamed, lane: place.lane) {
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

    /// From the first subscription of a tenure on, and from each change of provider, the symbol's
    /// definition says who feeds it and since when.
    private func begin(_ subscription: SubscriptionRecord, _ symbol: Int) {
        let action = SubscriptionAction(rawValue: subscription.action)
        // The new one's rows may begin in the middle of its book.
        if action == .switchProvider, books.isKnown(symbol) {
            lost(symbol, to: subscription.header.eventTime)
        }
        guard symbol < lanes.places.count,
            subscription.provider.utf8.count <= SymbolDefinition.providerBytesMax,
            action == .switchProvider || action == .start && !lanes.places[symbol].isSubscribed
        else { return }
        guard let name = supply.symbol(symbol) else { return }
        lanes.subscribed(
            symbol, name, by: subscription.provider, since: subscription.header.receiveTime)
    }

    private func define(_ definition: FeedDefinition, _ symbol: Int) {
        _ = place(of: symbol)
        guard symbol < lanes.places.count, let name = supply.symbol(symbol) else { return }
        lanes.subscribed(symbol, name, by: definition.provider, since: definition.since)
    }

    /// A record of an instrument that is in no list, or one without that has to have one.
    func refuseUnknown(_ symbol: Int) {
        parts.metrics.refused.add()
        parts.context.telemetry.emit(
            RecordRefused(
                source: parts.settings.source,
                reason: symbol == TickSupply.noSymbol
                    ? "it has no instrument" : "there is no instrument \(symbol)"))
    }

    func append(_ isIn: Bool) {
        precondition(isIn, "a lane that was not full refused a tick")
        parts.metrics.received.add()
    }

    /// It is for nobody who reads the tape: its time has not come, and nobody knows its right one.
    /// So it is missing there.
    func refuse(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) -> Bool {
        parts.metrics.future.add()
        guard let header = record.header else { return true }
        guard let name = supply.symbol(symbol) else {
            refuseUnknown(symbol)
            return true
        }
        let lane = place(of: symbol).lane
        if let kind = record.kind {
            gaps.leftOut(
                symbol: symbol, kind: kind, time: time.likelyTime(of: header),
                isFetched: header.flags.contains(.backfilled), now: clock.monotonic().nanoseconds)
        }
        parts.letters.refuse(
            FutureLetters.Refused(
                record: record, symbol: name, provider: supply.provider,
                partition: publisher.partition(lane: lane), epoch: publisher.epoch(lane: lane),
                noted: now, aheadNanoseconds: header.eventTime.nanoseconds(since: now)))
        return true
    }

    private func leaveOut(_ symbol: Int, _ now: Timestamp) {
        _ = place(of: symbol)
        let (time, kind, isFetched) = (supply.nextTime, supply.nextKind, supply.isNextFetched)
        let isReset = supply.isNextReset
        guard supply.take(received: now) != nil, let kind else { return }
        if kind == .depth, symbol < lanes.places.count {
            leftOutOfBook(symbol, isReset: isReset, time)
            // It comes later.
            if isReset { return }
        }
        parts.metrics.leftOut(kind).add()
        guard symbol < lanes.places.count else { return }
        gaps.leftOut(
            symbol: symbol, kind: kind, time: time, isFetched: isFetched,
            now: clock.monotonic().nanoseconds)
    }
}
