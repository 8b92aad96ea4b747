import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime

/// The records that the providers of a tenure deliver. `SourceTenure` takes them on the gateway's
/// thread: batch by batch out of the providers' channels, one provider after the other.
///
/// An *inlet* is one provider with its channel. With each batch comes the provider's *floor*: none
/// of its later live records has an earlier event time. The *feeder* of an instrument is the
/// provider that delivers it at present. The *router* decides which one that is, and leaves out
/// records of others. A `number`, or a `symbol` that is a number, is the instrument's number in the
/// registry, which is the source's list. Some providers number their ticks. Such a number shows
/// which ticks the tape has: see `PassedTick`.
struct DeliveredTicks {
    private struct Inlet {
        let provider: any ProviderSource
        let channel: ProviderChannel
        /// The floor that is valid now; undefined when the provider has reported none.
        var floor: Timestamp
        /// The floor that is valid when all records of the last received batch are taken.
        var floorAfter: Timestamp

        init(_ provider: any ProviderSource, _ channel: ProviderChannel) {
            self.provider = provider
            self.channel = channel
            floor = provider.resumption?.floor ?? .undefined
            floorAfter = floor
        }
    }

    /// The symbol number of a record that concerns no symbol.
    static let noSymbol = Int.max

    private let registry: InstrumentRegistry
    /// The number of records that were taken in this tenure.
    private var takenCount: UInt64 = 0
    /// The last tick before `batch`, if the provider numbers its ticks; else `nil`.
    private var passedBefore: PassedTick?
    private var inlets: [Inlet]
    /// The index of the inlet from which `batch` came.
    private(set) var present = 0
    /// The batch that is being taken.
    private var batch: [ProviderRecord] = []
    /// The index in `batch` of the record that is due.
    private var position = 0
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

    /// Whether the ticks are a recording, whose times were checked when they were recorded.
    let isRecorded: Bool

    /// Takes ownership of providers that were started, each with its channel.
    init(
        _ providers: [(any ProviderSource, ProviderChannel)], registry: InstrumentRegistry,
        router: FeedRouter? = nil
    ) {
        self.registry = registry
        isRecorded = providers.contains { $0.0.isRecorded }
        self.router = providers.count > 1 ? router : nil
        inlets = providers.map { Inlet($0.0, $0.1) }
        passedBefore = providers.first?.0.resumption?.passed
    }

    /// Whether records have arrived that are not taken yet.
    var hasNext: Bool {
        position < batch.count || !routed.isEmpty || inlets.contains { $0.channel.count > 0 }
    }

    /// The properties of the record that is due, known before it is taken.
    struct Due {
        /// The number of the record's symbol, or `noSymbol`.
        let symbol: Int
        /// The record's kind; `nil` for a record that is always taken.
        let kind: DataKind?
        /// Whether it shows that its instrument delivers now.
        let isOfNow: Bool
    }

    /// Returns the properties of the record that is due, which stays due until `take`; `nil` when
    /// none is. All records of a batch are taken before those of the next provider.
    @inline(__always)
    mutating func peek() -> Due? {
        if position == batch.count, !advance() { return nil }
        switch batch[position] {
        case .tape(.trade(let tick)): return Due(tick.header, .trade)
        case .tape(.quote(let tick)): return Due(tick.header, .quote)
        case .tape(let other):
            guard let header = other.header else { return Due(TickHeader.noSymbol, other.kind) }
            return Due(header, other.kind)
        case .feed(let state): return Due(state.instrument, nil)
        case .definition(let definition): return Due(definition.instrument, nil)
        }
    }

    /// The header of the record that is due, for decisions while the source is pressed; `nil` when
    /// the record has none.
    var dueHeader: TickHeader? { position < batch.count ? batch[position].header : nil }

    /// Begins the next batch, when the present one is taken: the router's own records, or a batch
    /// of the next provider that has one. Returns false when there is none.
    @inline(never)
    private mutating func advance() -> Bool {
        inlets[present].floor = inlets[present].floorAfter
        passedBefore = passed
        if !routed.isEmpty {
            batch.removeAll(keepingCapacity: true)
            position = 0
            swap(&batch, &routed)
            return true
        }
        for offset in 1...inlets.count {
            let index = (present + offset) % inlets.count
            guard inlets[index].channel.isStirred else { continue }
            batch.removeAll(keepingCapacity: true)
            position = 0
            let floor = receive(index)
            inlets[index].floorAfter = floor
            // Only a floor has come, or the router has left out all records: look further.
            guard batch.isEmpty else {
                present = index
                return true
            }
            inlets[index].floor = floor
        }
        return false
    }

    /// Receives everything that waits in an inlet's channel into `batch`, through the router if
    /// there is one. Returns the provider's floor after it.
    private mutating func receive(_ index: Int) -> Timestamp {
        let channel = inlets[index].channel
        guard router != nil else { return channel.receive(into: &batch) }
        delivered.removeAll(keepingCapacity: true)
        let floor = channel.receive(into: &delivered)
        let moment = now()
        router?.pass(delivered, from: index, moment, into: &batch)
        return floor
    }

    /// Returns the present time of the source's clock, as the channels have it.
    private func now() -> Moment { inlets[present].channel.moment() }

    // MARK: clocks

    /// Sets the clock with which providers stamp receive times: the source's time minus the
    /// monotonic clock, in nanoseconds.
    func follow(clockOffset: Int64) {
        for inlet in inlets { inlet.channel.follow(clockOffset: clockOffset) }
    }

    /// Returns how far a provider's clock is ahead by its latest report, in nanoseconds, and the
    /// provider's index; `nil` when no provider has reported since the last call. Each call returns
    /// one provider's report.
    func takeClockAhead() -> (provider: Int, ahead: Int64)? {
        for (index, inlet) in inlets.enumerated() {
            if let ahead = inlet.channel.takeClockAhead() { return (index, ahead) }
        }
        return nil
    }

    /// The name of the provider whose batch is being taken.
    var provider: String { inlets[present].provider.name }

    /// Takes the record that `peek` has returned; `nil` when none is due.
    @inline(__always)
    mutating func take() -> ProviderRecord? {
        guard position < batch.count else { return nil }
        position += 1
        takenCount &+= 1
        return batch[position - 1]
    }

    /// Makes the record that was taken last due again, because there is no room for it.
    mutating func putBack() {
        position -= 1
        takenCount &-= 1
    }

    // MARK: numbered ticks

    /// The last numbered tick that was taken, or passed over because the tape has it; `nil` if the
    /// provider does not number its ticks.
    var passed: PassedTick? {
        guard var passed = passedBefore, position > 0, let header = batch[position - 1].header
        else { return passedBefore }
        passed.pass(header)
        return passed
    }

    /// Returns the time and the id with which a gap record about the symbol names the last tick, so
    /// that the provider continues after it. They are undefined and 0 without numbered ticks.
    func stamp(_ symbol: Int) -> (time: Timestamp, id: UInt64) {
        let done = inlets.first?.provider.resumption?.done ?? []
        return passed?.stamp(done: symbol < done.count ? done[symbol] : 0) ?? (.undefined, 0)
    }

    /// The number of records that were taken in this tenure. Of numbered ticks it is the number of
    /// all ticks since their market began.
    var handedOut: UInt64 {
        // At its end a provider has also passed over the last ticks that the tape had before.
        let end = isFinished ? inlets.first?.provider.resumption?.end : nil
        return (end ?? passed)?.count ?? takenCount
    }

    /// Drops the waiting ticks of symbols whose partitions have lost packets (`isLost`), if the
    /// provider would deliver lost ticks again: readers may have them already.
    mutating func passOver(_ isLost: (Symbol) -> Bool) {
        let numbers = registry.wanted.filter { number in
            registry.instrument(number).map { isLost($0.symbol) } ?? false
        }
        guard !numbers.isEmpty, let until = inlets[present].provider.passOver(numbers) else {
            return
        }
        // A provider that passes over ticks is the only one of its source, so this is its batch.
        passedBefore = passed
        var rest = Array(batch[position...])
        batch.removeAll(keepingCapacity: true)
        position = 0
        inlets[present].floorAfter = inlets[present].channel.receive(into: &batch)
        rest += batch
        batch = rest.filter { record in
            guard let header = record.header else { return true }
            return header.eventTime > until || !numbers.contains(header.symbol)
        }
    }

    /// Returns the source's watermark: the lowest floor of the providers that feed an instrument,
    /// at most `now`. A provider that has reported no floor yet holds the watermark back. A
    /// provider that has ended no longer does. When all have ended, the highest floor is the
    /// watermark.
    func watermark(now: Timestamp) -> Timestamp {
        guard let passed = passed?.stamp().time, passed.isDefined else { return promised(now) }
        // The provider's thread may have read the clock after `now`, and so deliver a tick that is
        // later. If the watermark were before the last tick of its packet, a successor would treat
        // that as a gap.
        return max(promised(now), passed)
    }

    /// Returns the watermark by the floors alone.
    private func promised(_ now: Timestamp) -> Timestamp {
        // The times of a recording are past, so `now` does not limit them.
        let latest = isRecorded ? ProviderChannel.endlessFloor : now
        // The lowest floor of the feeders, and the highest floor of those that have ended.
        var least = latest
        var farthest = Timestamp(nanoseconds: Int64.min)
        var isAnyLeft = false
        // The lowest floor of providers that feed nothing now. It counts when no feeder is left.
        var spare = Timestamp.undefined
        for (index, inlet) in inlets.enumerated() {
            let isTaken = index != present || position == batch.count
            if isTaken, inlet.channel.isFinished {
                let floor = inlet.floorAfter
                if floor.isDefined { farthest = max(farthest, floor) }
                continue
            }
            guard router?.isFeeding(index) ?? true else {
                spare = min(spare, inlet.floor)
                continue
            }
            guard inlet.floor.isDefined else { return watermarkMin }
            isAnyLeft = true
            least = min(least, floor(of: inlet))
        }
        if isAnyLeft { return max(watermarkMin, least) }
        return max(watermarkMin, min(latest, spare.isDefined ? max(farthest, spare) : farthest))
    }

    /// Returns the floor that is valid for all records that are not taken yet. Numbered ticks give
    /// a later floor than the batch's: it rises with each tick.
    private func floor(of inlet: Inlet) -> Timestamp {
        // A provider that numbers its ticks is the only one, so `passed` is its tick.
        guard let floor = passed?.floor, floor.isDefined else { return inlet.floor }
        return max(inlet.floor, floor)
    }

    /// Whether all providers have ended and everything is taken.
    var isFinished: Bool {
        position == batch.count && routed.isEmpty && inlets.allSatisfy { $0.channel.isFinished }
    }

    /// Whether all providers have ended, none of them with an endless floor. A recording ends so:
    /// its watermark does not rise any more. A provider that has reported no floor lets it rise as
    /// little as one with a finite floor.
    var hasEnded: Bool {
        isFinished && inlets.allSatisfy { $0.floorAfter != ProviderChannel.endlessFloor }
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
        let now = now()
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
        let now = now()
        watermarkMin = max(watermarkMin, watermark(now: now.wall))
        var work = FeedRouter.Work(providers: inlets.count)
        router?.advance(now, into: &work)
        carryOut(work)
        return work.switches.compactMap { change in
            symbol(Int(change.instrument)).map {
                ($0, inlets[change.from].provider.name, inlets[change.to].provider.name)
            }
        }
    }

    /// Carries out what the router has decided.
    private mutating func carryOut(_ work: FeedRouter.Work) {
        routed += work.records
        for index in inlets.indices {
            order(index, begun: work.begun[index], ended: work.ended[index])
        }
    }

    /// Tells a provider which instruments to begin and to end.
    private func order(_ index: Int, begun: [UInt32], ended: [UInt32]) {
        guard !begun.isEmpty || !ended.isEmpty else { return }
        inlets[index].provider.follow(begun: begun, ended: ended)
    }

    /// Asks the symbol's feeder to restart one kind of its data. Returns false when that provider
    /// cannot, or when there is none.
    func restart(_ number: Int, _ kind: DataKind) -> Bool {
        guard let instrument = UInt32(exactly: number) else { return false }
        let provider = router == nil ? 0 : router?.active(instrument)
        return provider.map { inlets[$0].provider.restart(instrument, kind) } ?? false
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
            return inlets[0].provider.name
        }
        return router.active(instrument).map { inlets[$0].provider.name } ?? ""
    }

    /// The feeder of each wanted symbol; empty when the source has only one provider.
    var feeders: [(symbol: Symbol, provider: String)] {
        (router?.feeders ?? []).compactMap { feed in
            symbol(Int(feed.instrument)).map { ($0, inlets[feed.provider].provider.name) }
        }
    }

    /// The number of records that the router left out, because their provider was not the feeder.
    var unrouted: UInt64 { router?.leftOut.reduce(0, &+) ?? 0 }

    /// Whether a provider of the source cannot wait: its ticks are lost if they are not taken in
    /// time. Only then the spool is used.
    var isUrgent: Bool { inlets.contains { $0.provider.isUrgent } }

    /// Whether all providers of the source wait for readers that are too far behind.
    var waitsForReaders: Bool { inlets.allSatisfy { $0.provider.waitsForReaders } }

    /// The providers, for `/status` and for `ProviderStop`.
    var providers: [any ProviderSource] { inlets.map(\.provider) }

    /// From now on `wake` is called on a provider's thread when its first records come, or when it
    /// has ended.
    func onRecords(_ wake: @escaping @Sendable () -> Void) {
        for inlet in inlets { inlet.channel.onRecords(wake) }
    }

    /// Closes the channels, which accept no more records. Those that wait can still be taken.
    func close() { for inlet in inlets { inlet.channel.close() } }

    /// The number of records that arrived and were not taken yet.
    var waiting: Int {
        batch.count - position + routed.count + inlets.reduce(0) { $0 + $1.channel.count }
    }

    /// Closes the channels and stops all providers, one after the other, within `timeout` in total.
    /// It is called when a tenure ends without draining; `ProviderStop` does it otherwise.
    func stop(within timeout: Duration) {
        close()
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        for inlet in inlets {
            _ = inlet.provider.stop(within: max(.zero, deadline - clock.now))
        }
    }
}

extension DeliveredTicks.Due {
    @inline(__always)
    fileprivate init(_ number: UInt32, _ kind: DataKind?, isOfNow: Bool = false) {
        symbol = number == TickHeader.noSymbol ? DeliveredTicks.noSymbol : Int(number)
        self.kind = kind
        self.isOfNow = isOfNow
    }

    @inline(__always)
    fileprivate init(_ header: TickHeader, _ kind: DataKind?) {
        self.init(
            header.symbol, kind,
            isOfNow: kind != nil && header.flags.isDisjoint(with: NewestTicks.notOfNow))
    }
}
