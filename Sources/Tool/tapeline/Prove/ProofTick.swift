import MarketModel
import Primitives
import StreamCore
import TapeCodec

/// A tick from a table or the tape, with everything that decides its window.
struct ProofTick: Sendable {
    /// The symbol of the source or group whose bars it belongs to; of `manual` for a person's
    /// record that names no source.
    var symbol: SourceSymbol
    var provider: String
    /// The source that published it, which may be `manual`.
    var source: SourceName
    var ordinal: UInt64
    /// The round lot that its packet states. The tables do not have it.
    var lot: RoundLot?
    /// Whether a node listed it as a duplicate: a repair need not be given it.
    var isLeftOut = false
    /// The deduplicating nodes for which a fetched tick came at its time, too.
    var twinFor: [SeriesName] = []
    var trade: Trade?
    var quote: Quote?
    var providerBar: ProviderBar?

    var header: TickHeader? { trade?.header ?? quote?.header ?? providerBar?.header }
    /// The time that decides in which windows it is: of a provider's bar its start.
    var time: Int64 {
        (providerBar?.openTime ?? header?.eventTime)?.nanoseconds ?? 0
    }
}

/// Later records about ticks: cancels, corrections, and listings as late.
struct ProofRecords: Sendable {
    struct Place: Hashable, Sendable {
        var source: SourceName
        var ordinal: UInt64
    }

    struct Late: Sendable {
        var openTime: Int64
        /// The ordinal of the listing in the derived output.
        var output: UInt64
    }

    /// What a trade counts as now.
    enum Change: Sendable {
        case cancel
        case correct(Values)

        /// The values of a corrected trade.
        struct Values: Sendable {
            var price: Price
            var size: Quantity
            var exchange: ShortText
            var conditions: ShortText
        }
    }

    /// The names under which a tick may be listed that a series did not count.
    struct Lists: Sendable {
        /// The series, and those that its bars are made of.
        let series: [SeriesName]
        /// The nodes before them that remove duplicates.
        let deduplicates: [SeriesName]

        /// Returns the node that leaves out a fetched tick because it also came at its time.
        func twinFinder(_ tick: ProofTick) -> SeriesName? {
            tick.twinFor.first { deduplicates.contains($0) }
        }
    }

    private struct Listing: Hashable {
        let symbol: SourceSymbol
        let name: SeriesName
    }

    private var late: [SeriesName: [Place: Late]] = [:]
    /// Symbols and names that have late ticks at all, including duplicates.
    private var listings: Set<Listing> = []
    /// By trade. After a restore from a backup an ordinal may be given twice: then the time tells
    /// the two apart.
    private var changes: [Place: (change: Change, time: Int64)] = [:]
    /// Event times of ticks that caused their windows to be computed again.
    private(set) var dirty: [SourceSymbol: [Int64]] = [:]
    /// Event times of quotes that were fetched later.
    private var quotes: [SourceSymbol: [Int64]] = [:]

    static let max = 1_000_000
    private(set) var count = 0

    mutating func add(_ late: Late, of place: Place, _ symbol: SourceSymbol, series: SeriesName) {
        self.late[series, default: [:]][place] = late
        listings.insert(Listing(symbol: symbol, name: series))
        count += 1
    }

    /// Records a tick. Call it for every tick before any is given to a machine.
    mutating func note(_ tick: ProofTick) {
        guard let header = tick.header else { return }
        let isChange = header.action != TradeAction.new.rawValue
        guard isChange || header.flags.contains(.backfilled) else { return }
        count += 1
        dirty[tick.symbol, default: []].append(tick.time)
        if tick.quote != nil { quotes[tick.symbol, default: []].append(tick.time) }
    }

    /// Records what the trade with this place and time counts as now; `nil`: as it came, because
    /// all changes of it were taken back.
    mutating func note(
        _ change: Change?, of place: Place, _ symbol: SourceSymbol, _ time: Int64
    ) {
        count += 1
        dirty[symbol, default: []].append(time)
        if let change { changes[place] = (change, time) }
    }

    /// Returns whether the window was, or should have been, computed again. `quoteAge` is how long
    /// a quote counts for later trades; 0 without a join.
    func isDirty(_ key: ProofKey, until end: Int64, quoteAge: Int64) -> Bool {
        isDirty(key.symbol, from: key.openTime, to: end, quoteAge: quoteAge)
    }

    func isDirty(
        _ symbol: SourceSymbol, from: Int64, to end: Int64, quoteAge: Int64
    ) -> Bool {
        let first = from.subtractingReportingOverflow(quoteAge)
        return [symbol, symbol.ofAnySource].contains { symbol in
            dirty[symbol]?.contains { $0 >= from && $0 < end } ?? false
                || quoteAge > 0
                    && quotes[symbol]?.contains {
                        (first.overflow || $0 >= first.partialValue) && $0 < end
                    } ?? false
        }
    }

    /// Returns the tick as the operator took it when it came. A tick that the series did not count
    /// comes back as left out or set aside.
    func live(_ tick: ProofTick, _ lists: Lists) -> ProofTick {
        guard let listing = listed(tick, lists) else { return tick }
        return listing.isDuplicate ? tick.leftOut : tick.setAside
    }

    /// Returns the tick as a repair takes it: one that was fetched later, or comes from a person,
    /// has the flag that says so. `revisions` are those of the stored bars.
    func mended(
        _ tick: ProofTick, _ lists: Lists, _ revisions: [ProofKey: UInt64]
    ) -> ProofTick {
        if lists.twinFinder(tick) != nil { return tick.leftOut }
        if let listing = listed(tick, lists) {
            guard !listing.isDuplicate else { return tick.leftOut }
            let key = ProofKey(
                symbol: tick.symbol, series: listing.name, openTime: listing.late.openTime,
                number: 0)
            guard revisions[key] ?? 0 > listing.late.output else { return tick.setAside }
        }
        var mended = tick
        if tick.source == .manual { mended.setBackfilled() }
        let place = Place(source: tick.source, ordinal: tick.ordinal)
        guard let known = changes[place], known.time == tick.time else { return mended }
        mended.trade?.take(known.change)
        return mended
    }

    /// Returns the name under which a tick was listed that the series did not count.
    func listed(
        _ tick: ProofTick, _ lists: Lists
    ) -> (name: SeriesName, late: Late, isDuplicate: Bool)? {
        guard !listings.isEmpty else { return nil }
        let place = Place(source: tick.source, ordinal: tick.ordinal)
        for name in lists.series {
            if let found = late[name]?[place] { return (name, found, false) }
        }
        // A new computation finds duplicates again. It may miss the duplicate of a tick that came
        // late and was set aside, if the time is a part of what makes two ticks equal.
        // It also misses the duplicate of a trade that was cancelled or corrected.
        guard
            !changes.isEmpty || lists.series.contains(where: { isListed(tick.symbol, $0) })
        else { return nil }
        for name in lists.deduplicates {
            if let found = late[name]?[place] { return (name, found, true) }
        }
        return nil
    }

    private func isListed(_ symbol: SourceSymbol, _ name: SeriesName) -> Bool {
        listings.contains(Listing(symbol: symbol, name: name))
    }
}

extension Trade {
    fileprivate mutating func take(_ change: ProofRecords.Change) {
        switch change {
        case .cancel: header.action = TradeAction.cancel.rawValue
        case .correct(let values):
            price = values.price
            size = values.size
            exchange = values.exchange
            conditions = values.conditions
        }
    }
}

extension SourceSymbol {
    /// The symbol as in a person's record that names no source.
    fileprivate var ofAnySource: SourceSymbol { SourceSymbol(symbol, of: .manual) }
}

extension ProofTick {
    /// A live graph ignores backfilled ticks, so this marks the tick as one.
    fileprivate var leftOut: ProofTick {
        var tick = self
        tick.setBackfilled()
        tick.isLeftOut = true
        return tick
    }

    fileprivate mutating func setBackfilled() {
        trade?.header.flags.insert(.backfilled)
        quote?.header.flags.insert(.backfilled)
        providerBar?.header.flags.insert(.backfilled)
    }

    /// Deduplicators and throttles also remember a tick that came too late for its window. So they
    /// must see it, but with a time whose window is not compared.
    fileprivate var setAside: ProofTick {
        let longAgo = Timestamp(nanoseconds: 86_400_000_000_000)
        var tick = self
        tick.trade?.header.providerTime = longAgo
        tick.quote?.header.providerTime = longAgo
        if let bar = tick.providerBar {
            let length = bar.closeTime.nanoseconds(since: bar.openTime)
            tick.providerBar?.openTime = longAgo
            tick.providerBar?.closeTime = longAgo.advanced(byNanoseconds: length)
            tick.providerBar?.header.providerTime = longAgo.advanced(byNanoseconds: length)
        }
        return tick
    }
}

/// Packs ticks into packets again, without watermarks.
struct ProofPackets {
    fileprivate struct Feed: Hashable {
        let symbol: Symbol
        let provider: String
        let lot: RoundLot?
    }

    fileprivate struct Lane {
        let source: SourceName
        var builder: PacketBuilder
        var symbols: [Feed: UInt32] = [:]
        var first: UInt64 = 1
        var next: UInt64 = 0
        var spare: SealedPacket?
    }

    private var lanes: [Lane] = []
    private var open: Int?

    var sources: [SourceName] { lanes.map(\.source) }

    /// `feeder`: the source in whose packet it comes, if not its own.
    mutating func add(
        _ tick: ProofTick, by feeder: SourceName? = nil, to machine: inout ProofMachine
    ) throws(ToolError) {
        // A graph ignores ticks of `manual`, so a person's tick comes as one of its source's, from
        // another provider and with the ordinal that a repair gives it.
        let isByHand = tick.source == .manual
        let index = lane(of: feeder ?? (isByHand ? tick.symbol.source : tick.source))
        let ordinal = isByHand ? tick.ordinal | SourceTable.byHand : tick.ordinal
        let isNext = lanes[index].next == ordinal && !lanes[index].builder.isFull
        if open != index || !isNext {
            try flush(to: &machine)
            lanes[index].first = ordinal
            open = index
        }
        lanes[index].append(tick)
        lanes[index].next = ordinal &+ 1
    }

    mutating func flush(to machine: inout ProofMachine) throws(ToolError) {
        guard let index = open, lanes[index].builder.tickCount > 0 else { return }
        open = nil
        let seal = PacketBuilder.Seal(
            epoch: 1, firstOrdinal: lanes[index].first, watermark: .undefined,
            sendTime: Timestamp(nanoseconds: 0))
        let packet = lanes[index].builder.seal(seal, recycling: lanes[index].spare.take())
        try packet.withBytes { bytes throws(ToolError) in
            try machine.take(packet.header, bytes)
        }
        lanes[index].spare = packet
    }

    private mutating func lane(of name: SourceName) -> Int {
        if let known = lanes.firstIndex(where: { $0.source == name }) { return known }
        lanes.append(
            Lane(
                source: name,
                builder: PacketBuilder(kind: .ticks, partition: Partition(0), source: name)))
        return lanes.count - 1
    }
}

extension ProofPackets.Lane {
    fileprivate mutating func append(_ tick: ProofTick) {
        let provider = tick.source == .manual ? "\(tick.provider) by hand" : tick.provider
        let feed = ProofPackets.Feed(
            symbol: tick.symbol.symbol, provider: provider, lot: tick.lot)
        let index =
            symbols[feed]
            ?? builder.register(
                SymbolDefinition(
                    symbol: tick.symbol.symbol, provider: provider, since: .undefined,
                    lot: tick.lot))
        symbols[feed] = index
        if var trade = tick.trade {
            trade.header.symbol = index
            _ = builder.append(trade)
        } else if var quote = tick.quote {
            quote.header.symbol = index
            _ = builder.append(quote)
        } else if var bar = tick.providerBar {
            bar.header.symbol = index
            _ = builder.append(bar)
        }
    }
}
