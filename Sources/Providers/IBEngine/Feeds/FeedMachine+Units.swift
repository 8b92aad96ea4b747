internal import IBProtocol
internal import MarketModel
internal import Primitives

// The unit of sizes: what the witness of an instrument gets, and what it reports.
extension FeedMachine {
    /// Lets the witness of units count a trade. The last price and size stand for several trades,
    /// and delayed trades are older than the volume, so they prove nothing.
    @inline(__always)
    mutating func witness(_ trade: Trade, _ route: FeedRoute) {
        // The subscript is not used here: with optional chaining it costs an allocation.
        let source = entries[route.place].slots[route.slot].assembler?.trades
        if source == .last || trade.header.flags.contains(.delayed) {
            entries[route.place].units.begin()
        } else {
            entries[route.place].units.traded(trade.size)
        }
    }

    /// Gives the witness of units the volume of the day, as it is on the tape, and reports what it
    /// has seen. Only sizes of US stocks are ever in lots.
    mutating func witness(volume: Quantity, _ route: FeedRoute, in turn: inout Turn) {
        guard entries[route.place].contract.isStockInLots else { return }
        let volume = countsLots(route, in: turn) ? volume.inLots : volume
        guard entries[route.place].units.grew(to: volume, turn.now.monotonic) else { return }
        let entry = entries[route.place]
        turn.report(.sizes(instrument: entry.number, entry.units.unit))
    }
}
