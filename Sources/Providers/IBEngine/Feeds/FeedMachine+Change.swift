internal import MarketModel
internal import Primitives

// Instruments of which other feeds are wanted than before.
extension FeedMachine {
    /// Ends an instrument that begins again with other feeds of the same contract, and returns its
    /// state for `begin`. The outage lasts until the new feeds deliver. Returns `nil` when the
    /// contract is another one, or the instrument was not wanted: it begins as a new one.
    mutating func endForChange(_ number: UInt32, to next: Instrument, in turn: inout Turn)
        -> InstrumentEntry?
    {
        guard let place = place(of: number), entries[place].instrument.contract == next.contract
        else {
            end(number, in: &turn)
            return nil
        }
        let cause = OutageCause(.restart, "other feeds of it are wanted")
        for slot in entries[place].slots.indices {
            let route = FeedRoute(place: place, slot: slot)
            interrupt(route, cause, in: &turn)
        }
        fillEndedOutages(of: place, until: turn.now.wall, in: &turn)
        let kept = FeedKind.needed(next.feeds).reduce(into: KindSet()) {
            $0.formUnion($1.kinds(of: next))
        }
        let old = entries[place]
        end(number, keepingOutagesOf: kept, in: &turn)
        return old
    }
}

extension InstrumentEntry {
    /// Takes over what is known of the contract from its earlier entry, which has the same one.
    mutating func takeDetails(of old: InstrumentEntry) {
        units.take(over: old.units)
        guard old.details.isSettled else { return }
        (details, contract, hours) = (old.details, old.contract, old.hours)
    }
}
