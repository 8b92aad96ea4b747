import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization
import TapeTransport
import YAMLFile

/// Finds out which instruments the source wants: the gateway's own list, joined with the watchlist
/// in NATS. A separate thread reads both, because a disk or NATS may be slow: the files on request
/// (SIGHUP), the watchlist once a second. A new result waits for the gateway's thread.
///
/// The thread of the active gateway also stores a `WatchlistReport`, for people. Files with
/// mistakes change nothing, and while the watchlist cannot be read, its last state holds.
final class WantedInstruments: Sendable {
    /// How often the watchlist is read, and a changed report is stored.
    private static let intervalNanoseconds: Int64 = 1_000_000_000
    /// How often a report is stored that has not changed.
    private static let reportNanoseconds: Int64 = 60_000_000_000
    /// How long the thread may take to end.
    private static let stopTimeout = Duration.seconds(3)

    /// What the result is made of. Only one thread at a time works on it.
    private struct Inputs {
        var listed: [Instrument]
        var stored = WatchlistStore.Stored()
        var join: InstrumentJoin
        /// The reading whose result `stored` is. A reading that began earlier and ends later is not
        /// used.
        var reading: UInt64 = 0
        /// What is wrong with the watchlist; empty: nothing. Each is reported once.
        var problems: [String] = []
        /// Why the last reading of files failed; `nil` when it succeeded.
        var fileProblem: String?
    }

    private let settings: GatewaySettings
    private let gateway: String
    private let telemetry: TelemetryHub
    private let threads: ThreadWatch
    private let report: GatewayReport
    private let client: TapeClient
    private let reading: InstrumentJoin.Reading
    private let clock = SystemClock()
    private let inputs: Mutex<Inputs>
    private let readings = Atomic<UInt64>(0)
    /// The result that the gateway's thread has not taken yet; `nil` when there is none.
    private let result = Mutex<[Instrument]?>(nil)
    /// Requests to read the files again. One that waits is enough.
    private let requests = Mailbox<Bool>(capacity: 1)
    private let thread = Mutex<ServiceThread?>(nil)

    /// `client` is used by the thread; the instruments of `settings` are the gateway's own list.
    init(
        _ settings: GatewaySettings, _ client: TapeClient, _ context: ServiceContext,
        _ report: GatewayReport
    ) {
        self.settings = settings
        self.client = client
        self.report = report
        gateway = context.configuration.optionalText("MDS_MEMBER") ?? ""
        telemetry = context.telemetry
        threads = context.threads
        let delivery = settings.delivery
        reading = InstrumentJoin.Reading(
            providers: delivery.kinds.map(\.name),
            isBySymbol: delivery.kinds.contains(where: \.hasOpenList))
        let listed = delivery.registry.wanted.compactMap { delivery.registry.instrument($0) }
        inputs = Mutex(
            Inputs(listed: listed, join: InstrumentJoin(listed, Watchlist(), reading)))
    }

    /// Starts the thread.
    func start() throws {
        let started = try ServiceThread(name: "instruments") { [self] in run() }
        thread.withLock { $0 = started }
    }

    /// Ends the thread.
    func stop() {
        requests.close()
        guard let thread = thread.withLock({ $0 }) else { return }
        _ = thread.join(timeout: Self.stopTimeout)
    }

    /// Requests a reading of the files. Any thread may call it, any number of times.
    func ask() { _ = requests.send(true) }

    /// Returns the result since the last call, or `nil` when nothing has changed.
    func take() -> [Instrument]? {
        result.withLock { result in
            defer { result = nil }
            return result
        }
    }

    // MARK: reading

    /// Reads the watchlist, on the calling thread. Before a tenure the gateway's thread does so: an
    /// instrument that is added after the start has no gap from before.
    func readWatchlist(_ client: TapeClient) throws(TapeError) {
        guard settings.fixedList == nil else { return }
        try read(WatchlistStore(client, settings.source))
    }

    private func read(_ store: WatchlistStore) throws(TapeError) {
        let number = readings.wrappingAdd(1, ordering: .relaxed).newValue
        let stored = try store.read()
        inputs.withLock { inputs in
            guard number > inputs.reading else { return }
            inputs.reading = number
            guard stored.revision != inputs.stored.revision else { return }
            if stored.refusal == nil {
                tellChanges(from: inputs.stored.value, to: stored.value)
                inputs.stored = stored
            } else {
                // The list that held before goes on.
                inputs.stored.refusal = stored.refusal
                inputs.stored.revision = stored.revision
            }
            join(&inputs)
        }
    }

    private func tellChanges(from old: Watchlist, to new: Watchlist) {
        for symbol in Set(old.entries.keys).union(new.entries.keys)
            .sorted(by: { $0.text < $1.text }) where old[symbol] != new[symbol]
        {
            telemetry.emit(
                .watchlistChanged(source: settings.source, symbol: symbol, entry: new[symbol]))
        }
    }

    /// Reads the files.
    private func readFiles(_ lists: InstrumentLists) {
        do throws(FileMistakes) {
            let listed = try lists.read()
            inputs.withLock { inputs in
                inputs.listed = listed
                inputs.fileProblem = nil
                join(&inputs, isRead: true)
            }
        } catch {
            telemetry.emit(.instrumentsRefused(source: settings.source, lines: error.lines))
            let first = error.lines.first ?? ""
            inputs.withLock { $0.fileProblem = "the instruments stay as they were: \(first)" }
        }
    }

    /// Makes the result anew. It goes to the gateway's thread when it has changed, and always after
    /// a reading of the files (`isRead`).
    private func join(_ inputs: inout Inputs, isRead: Bool = false) {
        let join = InstrumentJoin(inputs.listed, inputs.stored.value, reading)
        let isSame = join.instruments == inputs.join.instruments
        inputs.join = join
        tellProblems(&inputs)
        guard isRead || !isSame else { return }
        result.withLock { $0 = join.instruments }
    }

    /// Reports the problems that were not there before.
    private func tellProblems(_ inputs: inout Inputs, also more: String? = nil) {
        var problems = inputs.join.problems
        if let refusal = inputs.stored.refusal {
            problems.append("it is not used, and what held before goes on: \(refusal)")
        }
        if let more { problems.append(more) }
        for problem in problems where !inputs.problems.contains(problem) {
            telemetry.emit(.watchlistTrouble(source: settings.source, problem: problem))
        }
        inputs.problems = problems
    }

    // MARK: the thread

    private func run() {
        let beat = threads.thread("instruments", within: ThreadWatch.callLimit)
        defer { beat.retire() }
        let client = client.calling(beat)
        var requested: [Bool] = []
        var store: WatchlistStore?
        var last: WatchlistReport?
        while true {
            beat.beat()
            let next = clock.monotonic().next(every: Self.intervalNanoseconds)
            let count = requests.receive(
                into: &requested, max: 1, timeout: clock.remaining(until: next))
            if count == 0, requests.isClosed { return }
            if count > 0, let lists = settings.instrumentLists {
                beat.beat(before: ThreadWatch.systemTime)
                readFiles(lists)
            }
            requested.removeAll(keepingCapacity: true)
            let trouble = turn(&store, &last, client)
            inputs.withLock { tellProblems(&$0, also: trouble) }
        }
    }

    /// Reads the watchlist, and stores a report if that is due. Returns why that failed; `nil` when
    /// it did not.
    private func turn(
        _ opened: inout WatchlistStore?, _ last: inout WatchlistReport?, _ client: TapeClient
    ) -> String? {
        do throws(TapeError) {
            let store =
                if let opened { opened } else { try WatchlistStore(client, settings.source) }
            opened = store
            if settings.fixedList == nil { try read(store) }
            try write(&last, store)
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Stores the report, if this gateway is the active one and the report has changed or is old.
    private func write(_ last: inout WatchlistReport?, _ store: WatchlistStore) throws(TapeError) {
        guard report.isActive else {
            last = nil
            return
        }
        let present = makeReport()
        if var known = last {
            let age = present.time.nanoseconds(since: known.time)
            known.time = present.time
            guard known != present || age >= Self.reportNanoseconds else { return }
        }
        last = try store.write(present) ? present : nil
    }

    private func makeReport() -> WatchlistReport {
        let delivery = settings.delivery
        var made = WatchlistReport(
            source: settings.source, gateway: gateway, time: clock.now(),
            providers: delivery.kinds.map(\.name), fixed: settings.fixedList)
        guard made.fixed == nil else { return made }
        let (join, stored, fileProblem) = inputs.withLock {
            ($0.join, $0.stored, $0.fileProblem)
        }
        made.isBySymbol = reading.isBySymbol
        made.revision = stored.revision
        made.problems = join.problems
        if let refusal = stored.refusal { made.problems.append("the record: \(refusal)") }
        if let fileProblem { made.problems.append(fileProblem) }
        let states = InstrumentStates(delivery.registry, report.present)
        made.instruments = join.instruments.map { instrument in
            states.report(
                of: instrument.symbol, join.added.contains(instrument.symbol) ? .added : .listed)
        }
        made.instruments += join.hidden.map {
            WatchlistReport.Instrument($0, .listed, .removed)
        }
        return made
    }
}

/// What the providers of the present tenure say of the instruments.
private struct InstrumentStates {
    private let registry: InstrumentRegistry
    private let wanted: Set<UInt32>
    private let isFull: Bool
    private var standings: [UInt32: [InstrumentStanding]] = [:]

    init(_ registry: InstrumentRegistry, _ providers: [any ProviderSource]) {
        self.registry = registry
        wanted = Set(registry.wanted)
        isFull = registry.count >= ProviderLimits.instrumentsMax
        for standing in providers.flatMap({ $0.standings }) {
            standings[standing.instrument, default: []].append(standing)
        }
    }

    func report(
        of symbol: Symbol, _ origin: WatchlistReport.Origin
    ) -> WatchlistReport.Instrument {
        guard let number = registry.number(of: symbol), wanted.contains(number) else {
            let reason = isFull ? "this process has no number left for it: start it anew" : ""
            return WatchlistReport.Instrument(symbol, origin, .waiting, reason: reason)
        }
        let said = standings[number] ?? []
        // With several providers, the best state counts.
        let order: [InstrumentStanding.State] = [.subscribed, .waiting, .down, .refused]
        guard let best = order.first(where: { state in said.contains { $0.state == state } })
        else { return WatchlistReport.Instrument(symbol, origin, .requested) }
        let reasons = said.map(\.reason).filter { !$0.isEmpty }
        return WatchlistReport.Instrument(
            symbol, origin, WatchlistReport.State(best),
            reason: reasons.joined(separator: "; "))
    }
}

extension WatchlistReport.State {
    fileprivate init(_ state: InstrumentStanding.State) {
        switch state {
        case .waiting: self = .waiting
        case .subscribed: self = .subscribed
        case .down: self = .down
        case .refused: self = .refused
        }
    }
}

extension GatewaySettings {
    /// Why people cannot change the source's instruments; `nil` when they can.
    var fixedList: String? {
        let kinds = delivery.kinds
        if let kind = kinds.first(where: \.isRecorded) {
            return "\(kind.name) delivers the instruments of a recording, and has no list"
        }
        if synthetic?.pace == .full {
            return "with SYNTHETIC_PACE=full the market is made once, of SYNTHETIC_SYMBOLS"
        }
        guard instrumentLists == nil, !kinds.contains(where: \.hasOpenList) else { return nil }
        let names = kinds.map(\.name).joined(separator: ", ")
        return kinds.contains { $0.instruments != nil }
            ? "\(names) delivers the instruments of its settings alone"
            : "\(names) learns its instruments from the data, and has no list"
    }
}

extension GatewayParts {
    /// Applies a new list of instruments and returns the change, or `nil` when there is none.
    func newInstruments() -> InstrumentRegistry.Change? {
        guard let list = instruments?.take() else { return nil }
        let change = settings.delivery.registry.follow(list)
        context.telemetry.emit(
            .instrumentsTaken(
                source: settings.source, wanted: settings.delivery.registry.wanted.count,
                change: change
            ))
        return change
    }
}
