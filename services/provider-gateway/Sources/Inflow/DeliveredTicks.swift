import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime

/// The records that the providers of a tenure deliver. `SourceTenure` takes them on the gateway's
/// thread: batch by batch out of the providers' channels, one provider after the other.
///
/// The *feeder* of an instrument is the provider that delivers it at present. The *router* decides
/// which one that is, and leaves out records of others. A `number`, or a `symbol` that is a number,
/// is the instrument's number in the registry, which is the source's list. Some providers number
/// their ticks. Such a number shows which ticks the tape has: see `PassedTick`.
struct DeliveredTicks {
    private let registry: InstrumentRegistry
    private(set) var inlets: ProviderInlets
    private var batch: RecordBatch
    /// `nil` when there is only one provider, which delivers everything.
    private var router: FeedRouter?
    /// The last batch as the provider sent it, before routing. It is stored only to reuse its
    /// memory.
    private var delivered: [ProviderRecord] = []
    /// Records that the router made; they are taken before the next batch.
    private var routed: [ProviderRecord] = []
    /// The watermark before the last check of the routes. The watermark never falls below it, even
    /// when the new feeder of an instrument has an earlier floor.
    private var watermarkMin = Timestamp(nanoseconds: Int64.min)

    /// Takes ownership of providers that were started, each with its channel.
    init(
        _ providers: [(any ProviderSource, ProviderChannel)], registry: InstrumentRegistry,
        router: FeedRouter? = nil
    ) {
        self.registry = registry
        self.router = providers.count > 1 ? router : nil
        inlets = ProviderInlets(providers)
        batch = RecordBatch(passed: providers.first?.0.resumption?.passed)
    }

    // MARK: the queue

    /// Whether records have arrived that are not taken yet.
    var hasNext: Bool { !batch.isTaken || !routed.isEmpty || inlets.hasNext }

    /// The number of records that arrived and were not taken yet.
    var waiting: Int { batch.waiting + routed.count + inlets.waiting }

    /// Whether all providers have ended and everything is taken.
    var isFinished: Bool { batch.isTaken && routed.isEmpty && inlets.areFinished }

    /// Whether all providers have ended, none of them with an endless floor. A recording ends so:
    /// its watermark does not rise any more. A provider that has reported no floor lets it rise as
    /// little as one with a finite floor.
    var hasEnded: Bool { isFinished && inlets.areFinite }

    /// Returns the properties of the record that is due, which stays due until `take`; `nil` when
    /// none is. All records of a batch are taken before those of the next provider.
    @inline(__always)
    mutating func peek() -> DueRecord? {
        if batch.isTaken, !advance() { return nil }
        return batch.due
    }

    /// The header of the record that is due, for decisions while the source is pressed; `nil` when
    /// the record has none.
    var dueHeader: TickHeader? { batch.dueHeader }

    /// Takes the record that `peek` has returned; `nil` when none is due.
    @inline(__always)
    mutating func take() -> ProviderRecord? { batch.take() }

    /// Makes the record that was taken last due again, because there is no room for it.
    mutating func putBack() { batch.putBack() }

    /// Begins the next batch, when the present one is taken: the router's own records, or a batch
    /// of the next provider that has one. Returns false when there is none.
    @inline(never)
    private mutating func advance() -> Bool {
        inlets.endBatch()
        if !routed.isEmpty {
            batch.begin { swap(&$0, &routed) }
            return true
        }
        for offset in 1...inlets.count {
            guard let (index, channel) = inlets.stirred(offset) else { continue }
            let floor = receive(index, channel)
            inlets.begin(index, floor: floor, isEmpty: batch.isEmpty)
            // Only a floor has come, or the router has left out all records: look further.
            if !batch.isEmpty { return true }
        }
        return false
    }

    /// Receives everything that waits in a provider's channel, through the router if there is one.
    /// Returns the provider's floor after it.
    private mutating func receive(_ index: Int, _ channel: ProviderChannel) -> Timestamp {
        guard router != nil else { return batch.begin { channel.receive(into: &$0) } }
        delivered.removeAll(keepingCapacity: true)
        let floor = channel.receive(into: &delivered)
        let moment = inlets.moment
        batch.begin { records -> Void in
            router?.pass(delivered, from: index, moment, into: &records)
        }
        return floor
    }

    // MARK: numbered ticks

    /// Returns the time and the id with which a gap record about the symbol names the last tick, so
    /// that the provider continues after it. They are undefined and 0 without numbered ticks.
    func stamp(_ symbol: Int) -> (time: Timestamp, id: UInt64) {
        let done = inlets[0].resumption?.done ?? []
        return batch.passed?.stamp(done: symbol < done.count ? done[symbol] : 0) ?? (.undefined, 0)
    }

    /// The number of records that were taken in this tenure. Of numbered ticks it is the number of
    /// all ticks since their market began.
    var handedOut: UInt64 {
        // At its end a provider has also passed over the last ticks that the tape had before.
        let end = isFinished ? inlets[0].resumption?.end : nil
        return (end ?? batch.passed)?.count ?? batch.takenCount
    }

    /// Drops the waiting ticks of symbols whose partitions have lost packets (`isLost`), if the
    /// provider would deliver lost ticks again: readers may have them already.
    mutating func passOver(_ isLost: (Symbol) -> Bool) {
        let numbers = registry.wanted.filter { number in
            registry.instrument(number).map { isLost($0.symbol) } ?? false
        }
        // A provider that passes over ticks is the only one of its source, so the batch is its own.
        guard !numbers.isEmpty, let until = inlets.provider.passOver(numbers) else { return }
        batch.filterRest(with: { inlets.receiveMore(into: &$0) }) { record in
            guard let header = record.header else { return true }
            return header.eventTime > until || !numbers.contains(header.symbol)
        }
    }

    // MARK: the watermark

    /// Returns the source's watermark: the lowest floor of the providers that feed an instrument,
    /// at most `now`. A provider that has reported no floor yet holds the watermark back. A
    /// provider that has ended no longer does. When all have ended, the highest floor is the
    /// watermark.
    func watermark(now: Timestamp) -> Timestamp {
        let passed = batch.passed
        let after = passed?.floor
        // The times of a recording are past, so `now` does not limit them. Numbered ticks give a
        // later floor than the batch's: it rises with each tick.
        let floor = inlets.floor(
            latest: inlets.isRecorded ? ProviderChannel.endlessFloor : now,
            isBatchTaken: batch.isTaken, least: after?.isDefined == true ? after : nil,
            feeds: { router?.isFeeding($0) ?? true })
        let promised = floor.map { max(watermarkMin, $0) } ?? watermarkMin
        guard let time = passed?.stamp().time, time.isDefined else { return promised }
        // The provider's thread may have read the clock after `now`, and so deliver a tick that is
        // later. If the watermark were before the last tick of its packet, a successor would treat
        // that as a gap.
        return max(promised, time)
    }

    // MARK: instruments and routes

    /// Gives the providers the instruments to begin and to end after a change of the list.
    mutating func follow(_ change: InstrumentRegistry.Change) {
        // Another lot does not concern providers.
        guard !change.begun.isEmpty || !change.ended.isEmpty else { return }
        guard router != nil else {
            order(0, begun: change.begun, ended: change.ended)
            return
        }
        var work = FeedRouter.Work(providers: inlets.count)
        let now = inlets.moment
        let begun = Set(change.begun)
        let ended = Set(change.ended)
        for number in change.ended where !begun.contains(number) {
            router?.end(number, now, into: &work)
        }
        for number in change.begun {
            let providers = registry.instrument(number)?.providers ?? []
            if ended.contains(number) {
                router?.restart(number, providers: providers, now, into: &work)
            } else {
                router?.begin(number, providers: providers, now, into: &work)
            }
        }
        carryOut(work)
    }

    /// Lets the router decide about switches. Returns each switched symbol with its old and new
    /// provider.
    mutating func switchProviders() -> [(symbol: Symbol, from: String, to: String)] {
        guard router != nil else { return [] }
        let now = inlets.moment
        watermarkMin = max(watermarkMin, watermark(now: now.wall))
        var work = FeedRouter.Work(providers: inlets.count)
        router?.advance(now, into: &work)
        carryOut(work)
        return work.switches.compactMap { change in
            symbol(Int(change.instrument)).map {
                ($0, inlets[change.from].name, inlets[change.to].name)
            }
        }
    }

    /// Carries out what the router has decided.
    private mutating func carryOut(_ work: FeedRouter.Work) {
        routed += work.records
        for index in 0..<inlets.count {
            order(index, begun: work.begun[index], ended: work.ended[index])
        }
    }

    /// Tells a provider which instruments to begin and to end.
    private func order(_ index: Int, begun: [UInt32], ended: [UInt32]) {
        guard !begun.isEmpty || !ended.isEmpty else { return }
        inlets[index].follow(begun: begun, ended: ended)
    }

    /// Asks the symbol's feeder to restart one kind of its data. Returns false when that provider
    /// cannot, or when there is none.
    func restart(_ number: Int, _ kind: DataKind) -> Bool {
        guard let instrument = UInt32(exactly: number) else { return false }
        let provider = router == nil ? 0 : router?.active(instrument)
        return provider.map { inlets[$0].restart(instrument, kind) } ?? false
    }

    /// Returns the symbol of a number, or `nil` when no instrument has it.
    func symbol(_ number: Int) -> Symbol? {
        UInt32(exactly: number).flatMap { registry.instrument($0)?.symbol }
    }

    /// Returns the round lot of a symbol, as the list has it now.
    func lot(_ number: Int) -> RoundLot? {
        UInt32(exactly: number).flatMap { registry.instrument($0)?.lot }
    }

    /// Returns the number of a symbol, or `nil` when it is in no list.
    func number(of symbol: Symbol) -> Int? { registry.number(of: symbol).map { Int($0) } }

    /// Returns the name of the symbol's feeder; empty when the symbol is not wanted.
    func feeder(_ number: Int) -> String {
        guard let router, let instrument = UInt32(exactly: number) else {
            return inlets[0].name
        }
        return router.active(instrument).map { inlets[$0].name } ?? ""
    }

    /// The feeder of each wanted symbol; empty when the source has only one provider.
    var feeders: [(symbol: Symbol, provider: String)] {
        (router?.feeders ?? []).compactMap { feed in
            symbol(Int(feed.instrument)).map { ($0, inlets[feed.provider].name) }
        }
    }

    /// The number of records that the router left out, because their provider was not the feeder.
    var unrouted: UInt64 { router?.leftOut.reduce(0, &+) ?? 0 }

}
