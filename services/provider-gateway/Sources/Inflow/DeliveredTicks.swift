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
        /// Holds now.
        var floor: Timestamp
        /// Holds when the batch that was received last is taken.
        var floorAfter: Timestamp

        init(_ provider: any ProviderSource, _ channel: ProviderChannel) {
            self.provider = provider
            self.channel = channel
            floor = provider.resumption?.floor ?? .undefined
            floorAfter = floor
        }
    }

    /// The symbol of a record that concerns none.
    static let noSymbol = Int.max

    private let book: InstrumentBook
    private var taken: UInt64 = 0
    /// Of a provider that numbers its ticks: what it handed out before this batch.
    private var passedBefore: PassedTick?
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
        inlets = providers.map { Inlet($0.0, $0.1) }
        passedBefore = providers.first?.0.resumption?.passed
    }

    var hasNext: Bool {
        position < batch.count || !made.isEmpty || inlets.contains { $0.channel.count > 0 }
    }

    /// What is decided by before the record that is due is taken.
    struct Due {
        /// The number of its symbol, or `noSymbol`.
        let symbol: Int
        /// Nil: it is always taken.
        let kind: DataKind?
    }

    /// The record that is due; it stays until it is taken. One batch is taken whole before another
    /// provider has its turn.
    @inline(__always)
    mutating func peek() -> Due? {
        if position == batch.count, !advance() { return nil }
        switch batch[position] {
        case .tape(.trade(let tick)): return Due(tick.header.symbol, .trade)
        case .tape(.quote(let tick)): return Due(tick.header.symbol, .quote)
        case .tape(let other):
            return Due(other.header?.symbol ?? TickHeader.noSymbol, other.kind)
        case .feed(let state): return Due(state.instrument, nil)
        case .definition(let definition): return Due(definition.instrument, nil)
        }
    }

    /// Of the record that is due, for when there is little room.
    var dueHeader: TickHeader? { position < batch.count ? batch[position].header : nil }

    @inline(never)
    private mutating func advance() -> Bool {
        inlets[present].floor = inlets[present].floorAfter
        passedBefore = passed
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
            inlets[index].floorAfter = floor
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

    /// Whose batch it is.
    var provider: String { inlets[present].provider.name }

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

    // MARK: numbered ticks

    /// Of a provider that numbers its ticks: the last one that was handed out or passed over.
    var passed: PassedTick? {
        guard var passed = passedBefore, position > 0, let header = batch[position - 1].header
        else { return passedBefore }
        passed.pass(header)
        return passed
    }

    /// Records that were handed out; of numbered ticks all since their market began.
    var handedOut: UInt64 {
        // At its end a provider has also passed over the last ticks that the tape had before.
        let end = isFinished ? inlets.first?.provider.resumption?.passed : nil
        return (end ?? passed)?.count ?? taken
    }

    /// The tape lost what it had of these symbols: nothing of it comes a second time.
    mutating func passOver(_ isLost: (Symbol) -> Bool) {
        let numbers = book.wanted.filter { number in
            book.instrument(number).map { isLost($0.symbol) } ?? false
        }
        guard !numbers.isEmpty, let until = inlets[present].provider.passOver(numbers) else {
            return
        }
        // A provider that numbers its ticks is the only one.
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

    /// The least of all promises of those who feed anything. One that has not spoken yet holds
    /// everything back; one that is at its end no longer does, and when all are, the farthest
    /// promise holds.
    func watermark(now: Timestamp) -> Timestamp {
        // What was recorded has its own time.
        let latest = isRecorded ? ProviderChannel.endlessFloor : now
        var least = latest
        var farthest = Timestamp(nanoseconds: Int64.min)
        var isAnyLeft = false
        // Of one that feeds nothing, and may when nobody else is left.
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
            guard inlet.floor.isDefined else { return told }
            isAnyLeft = true
            least = min(least, floor(of: inlet))
        }
        if isAnyLeft { return max(told, least) }
        return max(told, min(latest, spare.isDefined ? max(farthest, spare) : farthest))
    }

    /// The promise that holds for all records that are not taken yet.
    private func floor(of inlet: Inlet) -> Timestamp {
        // A provider that numbers its ticks is the only one.
        guard let floor = passed?.floor, floor.isDefined else { return inlet.floor }
        return max(inlet.floor, floor)
    }

    var isFinished: Bool {
        position == batch.count && made.isEmpty && inlets.allSatisfy { $0.channel.isFinished }
    }

    /// All are at their end, and the watermark goes no further.
    var hasEnded: Bool {
        isFinished && inlets.contains { $0.floorAfter != ProviderChannel.endlessFloor }
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

    /// Has the router decide. Per switch: which symbol, from whom, to whom.
    mutating func look() -> [(symbol: Symbol, from: String, to: String)] {
        guard router != nil else { return [] }
        let now = now()
        told = max(told, watermark(now: now.wall))
        var work = FeedRouter.Work(providers: inlets.count)
        router?.look(now, into: &work)
        carryOut(work)
        return work.switches.compactMap { change in
            symbol(Int(change.instrument)).map {
                ($0, inlets[change.from].provider.name, inlets[change.to].provider.name)
            }
        }
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

    /// Whoever delivers the symbol is to begin anew with one kind of its data. False: it cannot.
    func restart(_ number: Int, _ kind: DataKind) -> Bool {
        guard let instrument = UInt32(exactly: number) else { return false }
        let provider = router == nil ? 0 : router?.active(instrument)
        return provider.map { inlets[$0].provider.restart(instrument, kind) } ?? false
    }

    func symbol(_ number: Int) -> Symbol? {
        UInt32(exactly: number).flatMap { book.instrument($0)?.symbol }
    }

    /// Nil: it is in no list.
    func number(of symbol: Symbol) -> Int? { book.number(of: symbol).map { Int($0) } }

    /// Who delivers the symbol of this number now. Empty: nobody is asked for it.
    func feeder(_ number: Int) -> String {
        guard let router, let instrument = UInt32(exactly: number) else {
            return inlets[0].provider.name
        }
        return router.active(instrument).map { inlets[$0].provider.name } ?? ""
    }

    /// All that are wanted, when there is a choice.
    var feeders: [(symbol: Symbol, provider: String)] {
        (router?.feeders ?? []).compactMap { feed in
            symbol(Int(feed.instrument)).map { ($0, inlets[feed.provider].provider.name) }
        }
    }

    /// Records of providers that did not feed the instrument.
    var unrouted: UInt64 { router?.leftOut.reduce(0, &+) ?? 0 }

    /// One of them cannot wait: what is not taken in time is lost, so there is a spool for it.
    var isUrgent: Bool { inlets.contains { $0.provider.isUrgent } }

    var providers: [any ProviderSource] { inlets.map(\.provider) }

    /// Nothing more is let in; what waits can still be taken.
    func close() { for inlet in inlets { inlet.channel.close() } }

    /// Records that came and were not taken.
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

extension DeliveredTicks.Due {
    fileprivate init(_ number: UInt32, _ kind: DataKind?) {
        symbol = number == TickHeader.noSymbol ? DeliveredTicks.noSymbol : Int(number)
        self.kind = kind
    }
}
