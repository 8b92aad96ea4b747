import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime

/// What the providers of a tenure deliver, as the tenure's thread takes it: batch by batch out of
/// their channels, one provider after the other.
struct DeliveredTicks {
    private struct Inlet {
        let provider: any ProviderSource
        let channel: ProviderChannel
        /// Holds when the batch that was received last is taken.
        var floorBehind = Timestamp.undefined
        /// Holds now.
        var floor = Timestamp.undefined
    }

    let book: InstrumentBook
    private(set) var taken: UInt64 = 0
    private var inlets: [Inlet]
    /// The one that the batch is of.
    private var present = 0
    private var batch: [ProviderRecord] = []
    private var position = 0
    /// Of several providers; one alone delivers everything.
    private var router: FeedRouter?
    /// As a provider sent it.
    private var sent: [ProviderRecord] = []
    /// What the router has to say, before the next batch.
    private var made: [ProviderRecord] = []
    /// No watermark below it: who feeds what has changed since.
    private var told = Timestamp(nanoseconds: Int64.min)

    /// The times of its ticks were judged when they were recorded.
    let isRecorded: Bool

    /// The providers have been started, each into its channel.
    init(
        _ providers: [(any ProviderSource, ProviderChannel)], book: InstrumentBook,
        router: FeedRouter? = nil
    ) {
        self.book = book
        isRecorded = providers.contains { $0.0.isRecorded }
        self.router = providers.count > 1 ? router : nil
        inlets = providers.map { Inlet(provider: $0.0, channel: $0.1) }
    }

    var hasNext: Bool {
        position < batch.count || !made.isEmpty || inlets.contains { $0.channel.count > 0 }
    }

    /// One batch is taken whole before another provider has its turn.
    @inline(__always)
    mutating func dueSymbol() -> Int? {
        if position == batch.count, !advance() { return nil }
        return Self.symbol(of: batch[position])
    }

    @inline(never)
    private mutating func advance() -> Bool {
        inlets[present].floor = inlets[present].floorBehind
        if !made.isEmpty {
            batch.removeAll(keepingCapacity: true)
            position = 0
            swap(&batch, &made)
            return true
        }
        for offset in 1...inlets.count {
            let index = (present + offset) % inlets.count
            guard inlets[index].channel.isStirred else { continue }
            batch.removeAll(keepingCapacity: true)
            position = 0
            let floor = receive(index)
            inlets[index].floorBehind = floor
            guard batch.isEmpty else {
                present = index
                return true
            }
            inlets[index].floor = floor
        }
        return false
    }

    private mutating func receive(_ index: Int) -> Timestamp {
        let channel = inlets[index].channel
        guard router != nil else { return channel.receive(into: &batch) }
        sent.removeAll(keepingCapacity: true)
        let floor = channel.receive(into: &sent)
        let present = now()
        router?.pass(sent, from: index, present, into: &batch)
        return floor
    }

    private func now() -> Moment { inlets[present].channel.moment() }

    // MARK: clocks

    /// What providers stamp receive times with.
    func follow(clockOffset: Int64) {
        for inlet in inlets { inlet.channel.follow(clockOffset: clockOffset) }
    }

    /// What one of them has said of its clock since it was asked last.
    func takeClockAhead() -> Int64? {
        for inlet in inlets {
            if let ahead = inlet.channel.takeClockAhead() { return ahead }
        }
        return nil
    }

    @inline(__always)
    private static func symbol(of record: ProviderRecord) -> Int {
        let number: UInt32 =
            switch record {
            case .tape(.trade(let tick)): tick.header.symbol
            case .tape(.quote(let tick)): tick.header.symbol
            case .tape(let other): other.header?.symbol ?? TickHeader.noSymbol
            case .feed(let state): state.instrument
            case .definition(let definition): definition.instrument
            }
        return number == TickHeader.noSymbol ? TickSupply.noSymbol : Int(number)
    }

    var nextKind: DataKind? { position < batch.count ? batch[position].kind : nil }
    var nextTime: Timestamp {
        position < batch.count ? batch[position].header?.eventTime ?? .undefined : .undefined
    }
    var isNextFetched: Bool {
        position < batch.count && batch[position].header?.flags.contains(.backfilled) == true
    }
    var isNextReset: Bool {
        guard position < batch.count, case .tape(.depthReset) = batch[position] else {
            return false
        }
        return true
    }
    var presentProvider: String { inlets[present].provider.name }

    @inline(__always)
    mutating func take() -> ProviderRecord? {
        guard position < batch.count else { return nil }
        position += 1
        taken &+= 1
        return batch[position - 1]
    }

    mutating func putBack() {
        position -= 1
        taken &-= 1
    }

    /// The least of all promises of those who feed anything. One that has not spoken yet holds
    /// everything back; one that is at its end no longer does, and when all are, the farthest
    /// promise holds.
    func watermark(now: Timestamp) -> Timestamp {
        // What was recorded has its own time.
        let latest = isRecorded ? Timestamp(nanoseconds: Int64.max - 1) : now
        var least = latest
        var farthest = Timestamp(nanoseconds: Int64.min)
        var isAnyLeft = false
        // Of one that feeds nothing, and may when nobody else is left.
        var spare = Timestamp.undefined
        for (index, inlet) in inlets.enumerated() {
            let isTaken = index != present || position == batch.count
            if isTaken, inlet.channel.isFinished {
                let floor = inlet.floorBehind
                if floor.isDefined { farthest = max(farthest, floor) }
                continue
            }
            guard router?.isFeeding(index) ?? true else {
                spare = min(spare, inlet.floor)
                continue
            }
            guard inlet.floor.isDefined else { return told }
            isAnyLeft = true
            least = min(least, inlet.floor)
        }
        if isAnyLeft { return max(told, least) }
        return max(told, min(latest, spare.isDefined ? max(farthest, spare) : farthest))
    }

    var isFinished: Bool {
        position == batch.count && made.isEmpty && inlets.allSatisfy { $0.channel.isFinished }
    }

    // MARK: who delivers what

    mutating func follow(_ change: InstrumentBook.Change) {
        guard router != nil else {
            tell(0, begun: change.begun, ended: change.ended)
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
            let providers = book.instrument(number)?.providers ?? []
            if ended.contains(number) {
                router?.restart(number, providers: providers, now, into: &work)
            } else {
                router?.begin(number, providers: providers, now, into: &work)
            }
        }
        carryOut(work)
    }

    /// Has the router decide; answers its switches.
    mutating func look() -> [FeedRouter.Switch] {
        guard router != nil else { return [] }
        let now = now()
        told = max(told, watermark(now: now.wall))
        var work = FeedRouter.Work(providers: inlets.count)
        router?.look(now, into: &work)
        carryOut(work)
        return work.switches
    }

    private mutating func carryOut(_ work: FeedRouter.Work) {
        made += work.records
        for index in inlets.indices {
            tell(index, begun: work.begun[index], ended: work.ended[index])
        }
    }

    private func tell(_ index: Int, begun: [UInt32], ended: [UInt32]) {
        guard !begun.isEmpty || !ended.isEmpty else { return }
        inlets[index].provider.follow(begun: begun, ended: ended)
    }

    func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool {
        let provider = router == nil ? 0 : router?.active(instrument)
        return provider.map { inlets[$0].provider.restart(instrument, kind) } ?? false
    }

    /// Of an instrument: who delivers it now. Empty: nobody is asked for it.
    func feeder(_ instrument: UInt32) -> String {
        guard let router else { return inlets[0].provider.name }
        return router.active(instrument).map(name(of:)) ?? ""
    }

    /// All that are wanted, when there is a choice.
    var feeders: [(symbol: Symbol, provider: String)] {
        (router?.feeders ?? []).compactMap { feed in
            book.instrument(feed.instrument).map { ($0.symbol, name(of: feed.provider)) }
        }
    }

    func name(of provider: Int) -> String { inlets[provider].provider.name }

    /// Records of providers that did not feed the instrument.
    var unrouted: UInt64 { router?.leftOut.reduce(0, &+) ?? 0 }

    var isUrgent: Bool { inlets.contains { $0.provider.isUrgent } }

    var providers: [any ProviderSource] { inlets.map(\.provider) }

    func close() { for inlet in inlets { inlet.channel.close() } }

    var waiting: Int {
        batch.count - position + made.count + inlets.reduce(0) { $0 + $1.channel.count }
    }

    /// All of them within the time.
    func stop(within timeout: Duration) {
        close()
        let clock = ContinuousClock()
        let deadline = clock.now + timeout
        for inlet in inlets {
            _ = inlet.provider.stop(within: max(.zero, deadline - clock.now))
        }
    }
}
