import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeCodec
import TapeTransport

/// How a tenure takes the providers' records, and what happens to each of them.
///
/// The record that is *due* is the next one of the providers' batches. A *place* is where the
/// records of a symbol go: the lane of its partition, and the symbol's number in that lane. A
/// parameter `symbol` is the instrument's number in the source's list, or `noSymbol`. A parameter
/// `now` is the source's time at the beginning of the turn.
///
/// The source is *pressed* while the tape is nearly full, or while neither the tape nor the spool
/// accepts ticks. Then the policy of the record's kind decides. A record that is *left out* does
/// not go onto the tape: it is counted, and a gap record covers its time. A *held* quote waits, and
/// a newer quote of its symbol may replace it.
extension SourceTenure {
    /// The maximum of records taken in one turn. It bounds how long acknowledgements wait.
    private static let ticksPerTurn = 1_024

    /// Takes the records that are due, up to the limit of a turn. Returns true when the provider
    /// has to wait, because there is no room, because a group is too far behind the tape, or
    /// because the service is to end.
    func takeTicks() -> Bool {
        let now = inflow.time.now()
        inflow.agreeOnTime()
        let monotonic = clock.monotonic()
        inflow.ceiling.refill(monotonic)
        guard !inflow.storePressure.isHeld else { return inflow.ticks.peek() != nil }
        for _ in 0..<Self.ticksPerTurn {
            guard let due = inflow.ticks.peek() else { return false }
            switch decide(about: due) {
            case .take:
                if !take(due.symbol, now) { return true }
                if due.kind != nil { inflow.ceiling.count() }
                if due.isOfNow { inflow.newest.note(due.symbol, monotonic) }
            case .leaveOut: leaveOut(due.symbol)
            case .hold:
                hold(due.symbol, now)
                if due.isOfNow { inflow.newest.note(due.symbol, monotonic) }
            case .wait:
                parts.metrics.blocked.add()
                return true
            }
        }
        return false
    }

    /// What happens to a record that is due, after its policy and the room are considered.
    private enum Choice {
        case take
        case leaveOut
        case hold
        /// The record stays due, and the provider waits.
        case wait
    }

    /// Decides about the record that is due. The policy comes first, then the held quote of its
    /// symbol, then the room.
    private func decide(about due: DueRecord) -> Choice {
        if inflow.givesWay, inflow.backpressure.causes.contains(.headroom) { return .wait }
        // Records without a kind report about feeds and gaps: no policy applies to them.
        let isOver = due.kind != nil && !inflow.ceiling.admits
        if isOver { exceeded() }
        if inflow.backpressure.isPressed, let kind = due.kind {
            if isOver, inflow.backpressure.providerWaits(kind: kind) { return .wait }
            switch action(kind, due.symbol, inflow.ticks.dueHeader, isOver: isOver) {
            case .take: break
            case .leaveOut: return .leaveOut
            case .hold: return .hold
            case .end:
                inflow.policyEndsService = true
                return .wait
            }
        }
        let lane = place(of: due.symbol).lane
        if !inflow.held.isEmpty, comesAfterHeld(due), !release(due.symbol) {
            return decideWithoutRoom(about: due)
        }
        return ensureRoom(lane: lane) ? .take : decideWithoutRoom(about: due)
    }

    /// Returns what the policy of the kind demands. While quotes are conflated, `.take` notes the
    /// quote as its symbol's latest, so it is called only once per record.
    private func action(
        _ kind: DataKind, _ symbol: Int, _ header: TickHeader?, isOver: Bool
    ) -> BackpressureMachine.Action {
        inflow.backpressure.action(
            kind: kind, symbol: symbol, time: header?.eventTime ?? .undefined,
            isBackfilled: header?.flags.contains(.backfilled) ?? false, isOver: isOver)
    }

    /// Notes that a tick is one too many for the second.
    private func exceeded() {
        inflow.ceiling.lacked(clock.monotonic())
        reportPressure(inflow.backpressure.set(.ceiling, true))
    }

    /// Returns whether the held quote of the symbol has to go onto the tape before the record that
    /// is due. Records without a kind, about subscriptions and gaps, need that to keep their place
    /// in time. A quote needs it when the source is not pressed any more. While it is pressed, a
    /// quote replaces the held one. Other data may go first: the lane's watermark waits for the
    /// held quote, so the quote is not late.
    private func comesAfterHeld(_ due: DueRecord) -> Bool {
        switch due.kind {
        case nil: true
        case .quote: !inflow.backpressure.isPressed
        default: false
        }
    }

    /// Decides about a due record that neither the tape nor the spool accepts.
    private func decideWithoutRoom(about due: DueRecord) -> Choice {
        // If the source was pressed for this cause already, `decide(about:)` has asked the policy
        // about this record.
        let isNew = !inflow.backpressure.causes.contains(.noRoom)
        reportPressure(inflow.backpressure.set(.noRoom, true))
        // Records about gaps and subscriptions, which have no kind, are never left out.
        guard let kind = due.kind, !inflow.backpressure.providerWaits(kind: kind) else {
            return .wait
        }
        let header = inflow.ticks.dueHeader
        let isBackfilled = header?.flags.contains(.backfilled) ?? false
        if inflow.backpressure.holds(kind: kind, symbol: due.symbol, isBackfilled: isBackfilled) {
            return .hold
        }
        guard isNew else { return .leaveOut }
        let action = action(kind, due.symbol, header, isOver: false)
        inflow.policyEndsService = inflow.policyEndsService || action == .end
        return action == .end ? .wait : .leaveOut
    }

    /// Returns the place of a symbol, or that of records without a symbol. At the first record of a
    /// symbol it adds the symbol's place; some callers use it for that alone.
    @inline(__always) @discardableResult
    func place(of symbol: Int) -> SourceLanes.Place {
        if symbol < outflow.lanes.places.count { return outflow.lanes.places[symbol] }
        return addPlaces(upTo: symbol)
    }

    /// Adds the places of all symbols in the source's list.
    func addPlaces() { _ = addPlaces(upTo: DueRecord.noSymbol - 1) }

    /// Adds the places of all numbers up to a new symbol's, and returns the last one. For
    /// `noSymbol` and for a number that is not in the list it returns the place of records without
    /// a symbol.
    private func addPlaces(upTo symbol: Int) -> SourceLanes.Place {
        while symbol != DueRecord.noSymbol, outflow.lanes.places.count <= symbol,
            let name = inflow.ticks.symbol(outflow.lanes.places.count)
        {
            // The definition does not have yet since when the provider delivers the symbol. The
            // symbol's subscription, a later record, adds that.
            let number = outflow.lanes.places.count
            let lane = outflow.lanes.add(
                name, provider: inflow.ticks.feeder(number), lot: inflow.ticks.lot(number))
            ledgers.gaps.addSymbol(lane: lane)
            inflow.addSymbol(lane: lane)
        }
        return symbol < outflow.lanes.places.count
            ? outflow.lanes.places[symbol] : outflow.lanes.placeWithoutSymbol
    }

    /// Takes the record that is due. Its lane has room for a trade or a quote. Other records may
    /// need more. Returns false when the provider has to wait for that. Then the record is still
    /// due.
    private func take(_ symbol: Int, _ now: Timestamp) -> Bool {
        let place = place(of: symbol)
        guard let record = inflow.ticks.take() else { return true }
        switch record {
        case .tape(.trade) where place.symbol == TickHeader.noSymbol,
            .tape(.quote) where place.symbol == TickHeader.noSymbol:
            refuseUnknown(symbol)
        case .tape(.trade(var trade)):
            guard !inflow.refuses(trade.header) else {
                keepAsDeadLetter(.trade(trade), symbol, now)
                break
            }
            trade.header.symbol = place.symbol
            countReceived(outflow.publisher.append(trade, lane: place.lane))
        case .tape(.quote(var quote)):
            guard !inflow.refuses(quote.header) else {
                keepAsDeadLetter(.quote(quote), symbol, now)
                break
            }
            replaceHeld(by: &quote, symbol)
            quote.header.symbol = place.symbol
            countReceived(outflow.publisher.append(quote, lane: place.lane))
        case .tape(let other): return takeOther(other, symbol, now)
        case .definition(let definition): takeDefinition(definition, symbol)
        // The state of a feed concerns only the router, which has seen it already.
        case .feed: break
        }
        return true
    }

    /// Takes a record of a less frequent kind. It may be too long for the rest of its packet even
    /// though the lane is not full. Then it stays due. Returns false when the provider has to wait
    /// for room, and true when room was made in the spool.
    private func takeOther(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) -> Bool {
        if record.kind == .depth { return takeDepth(record, symbol, now) }
        if case .subscription(let subscription) = record {
            // A recording has separate records for that: see `takeDefinition`.
            if !inflow.isRecorded { takeSubscription(subscription, symbol) }
        } else if record.kind != nil, let header = record.header, inflow.refuses(header) {
            keepAsDeadLetter(record, symbol, now)
            return true
        }
        let place = place(of: symbol)
        guard append(record, place) == .full else {
            followBookEnd(record, symbol)
            return true
        }
        inflow.ticks.putBack()
        return makeRoom(lane: place.lane)
    }

    /// What became of a record that was appended to its lane's packet.
    enum Appended {
        case appended
        /// The packet has too little room for the record.
        case full
        /// The record was refused, counted and reported.
        case refused
    }

    /// Appends a copy of the record that has the symbol's number in the lane, and counts it.
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
                .recordRefused(source: parts.settings.source, reason: "\(error)"))
            return .refused
        }
    }

    /// Follows the report that a subscription has begun, ended or changed its provider; the caller
    /// appends the record itself. At the first beginning in a tenure, and at each change of the
    /// provider, the symbol's definition is updated: it has the provider, and since when that
    /// delivers the symbol.
    private func takeSubscription(_ subscription: SubscriptionRecord, _ symbol: Int) {
        let action = SubscriptionAction(rawValue: subscription.action)
        // The new provider's first rows may edit a book that it sent before the switch. Those rows
        // were left out, so the book is void until the provider resets it.
        if action == .switchProvider, inflow.depth.isKnown(symbol) {
            markBookVoid(symbol, until: subscription.header.eventTime)
        }
        // A name that is too long for a definition is skipped here. `append` refuses the record.
        guard symbol < outflow.lanes.places.count,
            subscription.provider.utf8.count <= SymbolDefinition.providerBytesMax,
            action == .switchProvider
                || action == .start && !outflow.lanes.places[symbol].isSubscribed
        else { return }
        outflow.lanes.subscribed(
            symbol, by: subscription.provider, since: subscription.header.receiveTime)
    }

    /// Updates the symbol's definition. Only a recording sends such records: it names the provider
    /// and the lot that were recorded.
    private func takeDefinition(_ definition: FeedDefinition, _ symbol: Int) {
        place(of: symbol)
        guard symbol < outflow.lanes.places.count else { return }
        outflow.lanes.setLot(definition.lot, symbol)
        outflow.lanes.subscribed(symbol, by: definition.provider, since: definition.since)
    }

    /// Refuses a record of an unknown instrument, or one that lacks the instrument it needs.
    func refuseUnknown(_ symbol: Int) {
        parts.metrics.refused.add()
        parts.context.telemetry.emit(
            .recordRefused(
                source: parts.settings.source,
                reason: symbol == DueRecord.noSymbol
                    ? "it has no instrument" : "there is no instrument \(symbol)"))
    }

    /// Counts a tick that was appended to a lane. `isAppended` is what the publisher returned:
    /// never false, because the caller has checked that the lane has room.
    func countReceived(_ isAppended: Bool) {
        precondition(isAppended, "a lane that was not full refused a tick")
        parts.metrics.received.add()
    }

    /// Makes a dead letter of a record that is stamped too far ahead. Its right time is unknown, so
    /// no reader of the tape may get it. A gap record covers its likely time.
    func keepAsDeadLetter(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) {
        parts.metrics.future.add()
        guard let header = record.header else { return }
        guard let name = inflow.ticks.symbol(symbol) else { return refuseUnknown(symbol) }
        let lane = place(of: symbol).lane
        if let kind = record.kind {
            ledgers.gaps.leftOut(
                symbol: symbol, kind: kind, time: inflow.time.likelyTime(of: header),
                isBackfilled: header.flags.contains(.backfilled), now: clock.monotonic())
        }
        parts.letters.refuse(
            FutureLetters.Refused(
                record: record, source: parts.settings.source, symbol: name,
                provider: inflow.ticks.inlets.provider.name,
                partition: outflow.publisher.partition(lane: lane),
                epoch: outflow.publisher.epoch(lane: lane),
                noted: now, aheadNanoseconds: header.eventTime.nanoseconds(since: now)))
    }

    /// Leaves out the record that is due: counts it, and notes it for a gap record.
    private func leaveOut(_ symbol: Int) {
        place(of: symbol)
        guard let record = inflow.ticks.take(), let kind = record.kind else { return }
        let header = record.header
        let time = header?.eventTime ?? .undefined
        if kind == .depth, symbol < outflow.lanes.places.count {
            let isReset = if case .tape(.depthReset) = record { true } else { false }
            leftOutDepth(symbol, isReset: isReset, time)
            // The book owes the reset, which goes onto the tape later. So the reset is not missing.
            if isReset { return }
        }
        parts.metrics.leftOut(kind).add()
        guard symbol < outflow.lanes.places.count else { return }
        ledgers.gaps.leftOut(
            symbol: symbol, kind: kind, time: time,
            isBackfilled: header?.flags.contains(.backfilled) ?? false,
            now: clock.monotonic())
    }
}
