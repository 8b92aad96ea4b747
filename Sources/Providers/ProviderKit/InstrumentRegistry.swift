public import MarketModel
internal import Synchronization

/// All instruments that a source has had in this process, each with a permanent number. The gateway
/// has one for its source, and passes it to the providers. Any thread may call it.
///
/// Numbers begin at 0 and are given in the order in which instruments were first named. An
/// instrument that a later list leaves out keeps its number and is not `wanted` any more.
public final class InstrumentRegistry: Sendable {
    private struct Entries {
        /// By number, as `isWanted`.
        var instruments: [Instrument] = []
        var isWanted: [Bool] = []
        var numbers: [Symbol: UInt32] = [:]
    }

    /// What a new list of instruments changes.
    public struct Change: Hashable, Sendable {
        /// Instruments to begin: new ones, those that are wanted again, and changed ones. An
        /// instrument with another contract, other feeds or other providers has changed.
        public var begun: [UInt32] = []
        /// Instruments to end: those that are no longer wanted, and changed ones, which are in both
        /// lists.
        public var ended: [UInt32] = []
        /// Instruments with another round lot and nothing else: only their definitions change.
        public var redefined: [UInt32] = []
        /// The instruments for which there was no free number: `ProviderLimits.instrumentsMax` is
        /// reached.
        public var refused: [Symbol] = []

        public var isEmpty: Bool {
            begun.isEmpty && ended.isEmpty && redefined.isEmpty && refused.isEmpty
        }
    }

    private let entries: Mutex<Entries>
    private let lots = Atomic(0)

    public init(_ instruments: [Instrument] = []) {
        entries = Mutex(Entries())
        _ = follow(instruments)
    }

    /// The number of instruments with a number, wanted or not.
    public var count: Int { entries.withLock { $0.instruments.count } }

    /// How often a new list has changed round lots. Reading it takes no lock.
    public var lotChanges: Int { lots.load(ordering: .acquiring) }

    /// Returns the instrument of a number; `nil` when the number was not given out.
    public func instrument(_ number: UInt32) -> Instrument? {
        entries.withLock { entries in
            number < entries.instruments.count ? entries.instruments[Int(number)] : nil
        }
    }

    /// Returns the number of a symbol; `nil` when no list and no provider has named it.
    public func number(of symbol: Symbol) -> UInt32? { entries.withLock { $0.numbers[symbol] } }

    /// The numbers of the wanted instruments, in order.
    public var wanted: [UInt32] {
        entries.withLock { entries in
            entries.isWanted.indices.filter { entries.isWanted[$0] }.map { UInt32($0) }
        }
    }

    /// Returns the symbol's number and gives it one if needed, for a provider that learns its
    /// instruments from the data. Returns `nil` when all numbers are taken.
    public func add(_ instrument: Instrument) -> UInt32? {
        entries.withLock { entries in
            if let number = entries.numbers[instrument.symbol] { return number }
            guard entries.instruments.count < ProviderLimits.instrumentsMax else { return nil }
            let number = UInt32(entries.instruments.count)
            entries.numbers[instrument.symbol] = number
            entries.instruments.append(instrument)
            entries.isWanted.append(true)
            return number
        }
    }

    /// Applies a new list of all wanted instruments and returns what changes. If the list names a
    /// symbol twice, the first entry counts.
    public func follow(_ instruments: [Instrument]) -> Change {
        entries.withLock { entries in
            var change = Change()
            var isNamed = [Bool](repeating: false, count: entries.instruments.count)
            var changesLots = false
            for instrument in instruments {
                guard let number = entries.numbers[instrument.symbol] else {
                    guard entries.instruments.count < ProviderLimits.instrumentsMax else {
                        change.refused.append(instrument.symbol)
                        continue
                    }
                    let number = UInt32(entries.instruments.count)
                    entries.numbers[instrument.symbol] = number
                    entries.instruments.append(instrument)
                    entries.isWanted.append(true)
                    isNamed.append(true)
                    change.begun.append(number)
                    continue
                }
                let place = Int(number)
                guard !isNamed[place] else { continue }
                isNamed[place] = true
                var known = entries.instruments[place]
                let hasOtherLot = known.lot != instrument.lot
                known.lot = instrument.lot
                if hasOtherLot { changesLots = true }
                if entries.isWanted[place], known == instrument {
                    entries.instruments[place] = known
                    if hasOtherLot { change.redefined.append(number) }
                    continue
                }
                if entries.isWanted[place] { change.ended.append(number) }
                entries.instruments[place] = instrument
                entries.isWanted[place] = true
                change.begun.append(number)
            }
            for place in entries.isWanted.indices where !isNamed[place] && entries.isWanted[place] {
                entries.isWanted[place] = false
                change.ended.append(UInt32(place))
            }
            if changesLots { lots.wrappingAdd(1, ordering: .releasing) }
            return change
        }
    }
}
