package import MarketModel

extension IBEngine {
    /// Begins one kind of an instrument's data again, because the gateway has left a part of it
    /// out: a book that lost a row has no meaning until it begins again. Only feeds that deliver
    /// the kind are requested again. Any other feed of it begins again by itself.
    package mutating func restart(
        _ instrument: UInt32, _ kind: DataKind, _ now: Moment, into out: inout Output
    ) {
        turn.begin(now, &out)
        defer { turn.end(&out) }
        guard !isStopping else { return }
        feeds.restart(instrument, kind, in: &turn)
        sendAndReport()
    }
}

extension FeedMachine {
    fileprivate mutating func restart(_ number: UInt32, _ kind: DataKind, in turn: inout Turn) {
        guard let place = place(of: number) else { return }
        for slot in entries[place].slots.indices
        where entries[place].slots[slot].isDelivering
            && entries[place].slots[slot].kinds.contains(KindSet(kind))
        {
            restart(FeedRoute(place: place, slot: slot), "not all of it was kept", in: &turn)
        }
    }
}
