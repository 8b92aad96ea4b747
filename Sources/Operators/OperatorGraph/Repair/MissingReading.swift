internal import MarketModel
internal import Primitives
internal import StreamCore

/// What the first pass of a repair learns about data that are missing: from gap records and from
/// what definitions say about since when a symbol is fed.
///
/// It begins with what the machine knows: a record says again what came of it there, and records
/// of gaps that reach far into the future may stand before the reading's beginning. All others
/// stand behind the gap's own time, and so behind the beginning.
struct MissingReading: Sendable {
    private(set) var stretches: MissingStretches
    /// Those of the repair, in order.
    private let symbols: [UInt32]
    private let isOfRepair: [Bool]
    /// Until a packet of the reading says otherwise, who feeds a symbol now.
    private var feedOf: [Int]
    /// By symbol, since when it is fed; `Int64.min`: nobody said so far.
    private var since: [Int64]

    init(_ machine: GraphMachine, _ plan: RepairPlan) {
        stretches = machine.leaves.tables.missing
        stretches.max = StreamLimits.repairStretchesMax
        let count = machine.symbols.count
        symbols = plan.symbols.filter { $0 < count }
        var isOfRepair = Array(repeating: false, count: count)
        for symbol in symbols { isOfRepair[Int(symbol)] = true }
        self.isOfRepair = isOfRepair
        feedOf = machine.symbols.sources
        since = Array(repeating: Int64.min, count: count)
    }

    /// A subscription that is younger than those before it began anew, as it does for a machine.
    mutating func define(_ move: KeptTicks.Move) {
        let symbol = Int(move.symbol)
        feedOf[symbol] = move.source
        let time = move.subscription.since
        guard isOfRepair[symbol], time.isDefined, time.nanoseconds > since[symbol] else { return }
        since[symbol] = time.nanoseconds
        if time.nanoseconds.magnitude <= StreamLimits.eventTimeNanosecondsMax.magnitude {
            stretches.start(move.symbol, at: time.nanoseconds)
        }
    }

    /// `named` nil: the record is about all symbols of its source. `source` nil: of people, about
    /// those of all sources.
    mutating func take(_ gap: GapRecord, of named: UInt32?, source: Int?) {
        guard let meaning = GapMeaning(gap) else { return }
        if let named {
            guard named < isOfRepair.count, isOfRepair[Int(named)] else { return }
            stretches.apply(meaning.change(of: named))
            return
        }
        for symbol in symbols where source == nil || feedOf[Int(symbol)] == source {
            stretches.apply(meaning.change(of: symbol))
        }
    }
}
