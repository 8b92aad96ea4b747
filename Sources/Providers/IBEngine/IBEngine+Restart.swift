public import MarketModel

extension IBEngine {
    /// What came of one kind of an instrument's data was not all kept: it is asked for anew where
    /// it is being delivered. What never came, or is being tried again, begins anew by itself.
    public mutating func restart(
        _ instrument: UInt32, _ kind: DataKind, _ now: Moment, into out: inout Output
    ) {
        guard !isStopping else { return }
        feeds.restart(instrument, kind, now, &tools, &out)
        work(now, &out)
    }
}

extension FeedMachine {
    fileprivate mutating func restart(
        _ number: UInt32, _ kind: DataKind, _ now: Moment, _ tools: inout EngineTools,
        _ out: inout IBEngine.Output
    ) {
        guard let place = place(of: number) else { return }
        for slot in entries[place].slots.indices
        where entries[place].slots[slot].state == .live
            && entries[place].slots[slot].kinds.contains(KindSet(kind))
        {
            restart(
                FeedRoute(place: place, slot: slot), "not all of it was kept", now, &tools, &out)
        }
    }
}
