internal import MarketModel
internal import Primitives

// The unit of sizes: what the witness of an instrument gets, and what it reports.
extension FeedMachine {
    /// Lets the witness of units count a trade that came tick by tick. Those of level 1 prove
    /// nothing: the last price and size stand for several trades, and `RTVolume` may leave most
    /// trades out, which looks like lots. Delayed trades are older than the volume.
    @inline(__always)
    mutating func witness(_ trade: Trade, _ route: FeedRoute) {
        if !trade.header.flags.isDisjoint(with: [.delayed, .conflated]) {
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
