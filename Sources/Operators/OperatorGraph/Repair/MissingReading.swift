internal import MarketModel
internal import Primitives
internal import StreamCore

/// Learns in the first pass of a repair which data are missing: from gap records, and from the
/// subscription times in definitions.
///
/// It begins with what the machine knows. Records that are read again repeat their effect. Records
/// of gaps that reach far into the future may be on the tape before the first packet that is read.
/// All other records come after the gap's own time, and so after the first packet that is read.
struct MissingReading: Sendable {
    /// The stretches of time without data, as far as they are known.
    private(set) var stretches: MissingStretches
    /// The symbols of the repair, in order.
    private let symbols: [UInt32]
    /// By symbol, whether it is one of them.
    private let isOfRepair: [Bool]
    /// The source that feeds each symbol: the present one, until a packet of the reading states
    /// another.
    private var feedOf: [Int]
    /// By symbol, when its subscription began; `Int64.min` when no definition has stated it so far.
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

    /// Notes a definition. A subscription that is younger than the earlier ones began again, as in
    /// a machine.
    mutating func define(_ move: KeptTicks.Move, source: Int) {
        let symbol = Int(move.symbol)
        feedOf[symbol] = source
        let time = move.subscription.since
        guard isOfRepair[symbol], time.isDefined, time.nanoseconds > since[symbol] else { return }
        since[symbol] = time.nanoseconds
        if time.nanoseconds.magnitude <= StreamLimits.eventTimeNanosecondsMax.magnitude {
            stretches.start(move.symbol, at: time.nanoseconds)
        }
    }

    /// Applies a gap record of one symbol.
    mutating func take(_ gap: GapRecord, of symbol: UInt32) {
        guard let meaning = GapMeaning(gap), symbol < isOfRepair.count, isOfRepair[Int(symbol)]
        else { return }
        stretches.apply(meaning.change(of: symbol))
    }

    /// Applies a gap record that concerns all symbols of its source. `source` is `nil` for
    /// `manual`, whose records concern the symbols of all sources.
    mutating func take(_ gap: GapRecord, ofAllOf source: Int?) {
        guard let meaning = GapMeaning(gap) else { return }
        for symbol in symbols where source == nil || feedOf[Int(symbol)] == source {
            stretches.apply(meaning.change(of: symbol))
        }
    }
}
