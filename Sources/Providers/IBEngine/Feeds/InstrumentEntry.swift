internal import IBProtocol
internal import MarketModel
internal import Primitives

/// An instrument with its contract, its feeds, and what arrived of it in the last seconds.
struct InstrumentEntry: Sendable {
    /// The instrument's number in the provider's registry, which is the symbol's number in records.
    let number: UInt32
    let instrument: Instrument
    /// False: the instrument is no longer wanted, and its place is free.
    var isActive = true
    /// What is requested: the instrument's contract, with what the details added to it.
    var contract: Contract
    var details = DetailsRequest()
    var hours = TradingHours()
    /// The number of its venue.
    var venue: Int
    var slots: [FeedSlot]
    var borders = Borders()
    var volume = DayVolume()
    /// Whether the sizes of its trades are in shares.
    var units = UnitWitness()
    /// Whether level 1 or the tick-by-tick feed delivers trades.
    var handOver = TradeHandOver()
    /// When the tick-by-tick feed took the quotes over from a level 1 that delivered, as far as was
    /// known; `nil`: one of them has stopped since. Level 1 may have been silent already.
    var quotesTakenOver: Timestamp?
    /// The state that the router last got; `nil`: it got none.
    var reportedState: FeedState.State?
    /// Until when an earlier process recorded its delayed data; undefined: it did not, or it is
    /// settled what became of them.
    var delayedReached = Timestamp.undefined

    init(
        _ number: UInt32, _ instrument: Instrument, venue: Int, patience: Int64,
        delayed: DelayedData = .never
    ) {
        self.number = number
        self.instrument = instrument
        self.venue = venue
        contract = Contract(instrument)
        slots = FeedKind.needed(instrument.feeds).map {
            FeedSlot($0, kinds: $0.kinds(of: instrument), patience: patience)
        }
        prepareDelayed(delayed, patience: patience)
    }

    /// Returns whether level 1 can be requested with fewer values. The provider may refuse only one
    /// of the further values, and prices come without them.
    func canAskForLess(_ slot: Int) -> Bool {
        slots[slot].feed == .marketData && slots[slot].phase.state == .asked
            && slots[slot].attempts.valuesLeftOut < genericTicks.leavingOutMax
    }

    private var genericTicks: GenericTicks { GenericTicks(contract.kind, instrument.feeds) }

    /// Requests level 1 with fewer values. Headlines that are not requested are not recorded as
    /// delivered either.
    mutating func askForLess(_ slot: Int) {
        slots[slot].attempts.valuesLeftOut += 1
        let left = genericTicks[slots[slot].attempts.valuesLeftOut]
        guard !left.contains(GenericTicks.news) else { return }
        slots[slot].kinds.remove(.news)
    }

    /// Requests all values again. Another connection may give what this one refused: this happens
    /// around the start of a server.
    mutating func askForAllAgain(_ slot: Int) {
        guard slots[slot].attempts.valuesLeftOut > 0 else { return }
        slots[slot].attempts.valuesLeftOut = 0
        if instrument.feeds.contains(.news) { slots[slot].kinds.insert(.news) }
    }

    /// The hours in which it is never quiet for long. Stocks, options, indices and bonds are quiet
    /// outside of regular hours, and other kinds have no regular hours.
    var busyHours: SessionHours? {
        let hasRegularHours = [.stock, .option, .index, .bond].contains(contract.kind)
        return hasRegularHours ? hours.liquid : hours.all ?? hours.liquid
    }

    /// Returns the wall time up to which everything that the server sent has certainly come.
    /// `trusted`: the caller's bound, which is correct if the feed was alive until then. A feed
    /// that has been silent may have been dead already. So the bound is its last tick, unless an
    /// earlier pause of this length or a closed market shows that the silence means nothing.
    func proven(_ slot: FeedSlot, upTo trusted: Timestamp) -> Timestamp {
        let last = slot.silence.lastWall
        guard slot.isWatched, last < trusted else { return max(last, trusted) }
        // It has been silent for as long before, and was alive.
        let pause = trusted.nanoseconds(since: last)
        if pause > EngineLimits.shortPause, pause <= slot.silence.rhythm.longest { return trusted }
        guard let open = hours.all?.firstOpen(from: last) else { return last }
        return min(open, trusted)
    }

    /// The state for the router, which chooses the provider of each instrument. Of several states
    /// of feeds, `down` counts more than `live`. Documents are not part of it.
    var state: FeedState.State {
        var isAnyLive = false
        var isAnyDown = false
        var isAllRefused = true
        for slot in slots where !slot.feed.isDocument && !slot.isDelayedInPlaceOfLive {
            switch slot.phase.state {
            case .live: isAnyLive = true
            case .interrupted, .down, .waitingForLines: isAnyDown = true
            case .waiting, .asked: if slot.phase.cause != nil { isAnyDown = true }
            case .refused, .done: break
            }
            if !slot.isRefused { isAllRefused = false }
        }
        if details.phase == .refused || isAllRefused { return .refused }
        if isAnyDown { return .down }
        return isAnyLive ? .live : .starting
    }
}
