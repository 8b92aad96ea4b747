import DeploymentWatch
import HTTPClient
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport

/// The one collector for all who look. Its thread makes an event of what is known, twice a second;
/// the questions have threads of their own.
final class Collector: Sendable {
    /// What is heard over NATS, since the connection is there.
    private struct Ears {
        let client: TapeClient
        let heads: HeadListener
        let positions: GroupPositionListener
    }

    /// What is remembered from one look to the next.
    private struct Makers {
        var overview = OverviewMaker()
        var partitions = PartitionBoard()
        var store = StoreBoard()
        var trails = FigureTrails()

        /// Begins again, after a time without a page that looks. The growth of the database stays,
        /// and the lines do.
        mutating func restart() {
            overview = OverviewMaker()
            partitions = PartitionBoard()
            store.restart()
        }
    }

    /// The parts of single pages that have threads of their own.
    struct Desks: Sendable {
        let chart = ChartDesk()
        let letters = LetterDesk()
        let latest = LatestDesk()
        let market = MarketDesk()
        let tape: TapeDesk
        let actions: ActionDesk
        let asked: AskDesk

        /// Returns the answer to a question with parameters. `nil` if it is none.
        func answer(
            _ path: String, _ parameters: [String: String], at now: MonotonicTime
        ) -> PageAnswer? {
            chart.answer(path, parameters, at: now) ?? tape.answer(path, parameters, at: now)
                ?? latest.answer(path, parameters, at: now)
                ?? market.answer(path, parameters, at: now)
        }
    }

    let settings: CockpitSettings
    let context: ServiceContext
    private let feed: EventFeed
    let audience: Audience
    private let ears = Mutex<Ears?>(nil)
    private let members = MemberBook()
    let documents = PageDocuments()
    let desks: Desks
    private let gapsDocument = Mutex(GapsDocument.none)
    private let tape = Question<TapeFacts>()
    private let database = Question<Sighting.Database>()
    private let gaps = Question<GapList>()
    private let rounds = Question<Void>()
    private let alerts = Question<AlertList>()
    private let pages: ServicePages

    init(_ settings: CockpitSettings, _ context: ServiceContext, _ feed: EventFeed) {
        self.settings = settings
        self.context = context
        self.feed = feed
        pages = ServicePages(
            addresses: settings.services, clock: context.clock,
            trust: ProbeTrust(context.configuration))
        audience = Audience(feed)
        desks = Desks(
            tape: TapeDesk(settings),
            actions: ActionDesk(key: settings.rights.actions, stack: settings.stack),
            asked: AskDesk(settings.rights.sql))
    }

    // MARK: threads

    /// Starts the thread that connects to NATS, and those of the questions.
    func startThreads(_ tapeSettings: TapeSettings) throws(ServiceError) -> [ServiceThread] {
        let (context, settings) = (context, settings)
        let connect = try ServiceThread(name: "connect") { [self] in listen(tapeSettings) }
        let people = try desks.actions.start(self) + desks.asked.start(settings, context)
        return try startAlerts() + desks.letters.start(self) + people + [
            connect,
            try desks.chart.start(settings, context),
            try desks.tape.start(self),
            try desks.latest.start(self),
            try desks.market.start(self),
            try tape.start("tape", context, audience) { [self] beat in
                { [self] in try askTape(beat) }
            },
            try database.start("database", context, audience) { beat in
                let session = DatabaseSession(settings.postgres, beat)
                return { try Sighting.Database(session, context.clock) }
            },
            try gaps.start("gaps", context, audience) { beat in
                let session = DatabaseSession(settings.postgres, beat)
                return { try GapList(session, settings.namespace) }
            },
            try rounds.start("pages", context, audience) { [pages, documents] _ in
                {
                    let now = context.clock.monotonic()
                    pages.ask(
                        withMetrics: documents.isWanted(.store, at: now),
                        withFeeds: documents.isWanted(.feeds, at: now))
                }
            },
        ]
    }

    /// Starts the thread that asks the Prometheus, if one is configured.
    private func startAlerts() throws(ServiceError) -> [ServiceThread] {
        guard let url = settings.prometheus else { return [] }
        let (documents, clock) = (documents, context.clock)
        let thread = try alerts.start(
            "alerts", context, audience, while: { documents.isWanted(.alerts, at: $0) }
        ) { beat in
            var asker: PrometheusAlerts?
            return {
                beat.beat(before: PrometheusAlerts.timeout * 2)
                let own = try asker ?? PrometheusAlerts(url, clock)
                asker = own
                return try own.ask()
            }
        }
        return [thread]
    }

    /// Waits for NATS and begins to listen. The pages are there meanwhile.
    private func listen(_ tapeSettings: TapeSettings) {
        do {
            guard
                let client = try TapeClient.open(tapeSettings, context: context, prepare: { _ in })
            else { return }
            let heard = Ears(
                client: client, heads: try HeadListener(client),
                positions: try GroupPositionListener(client))
            ears.withLock { $0 = heard }
        } catch {
            context.telemetry.emit(.cockpitCannotListen(reason: "\(error)"))
            context.shutdown.request("NATS cannot be listened to: \(error)")
        }
    }

    private func askTape(_ beat: ThreadBeat) throws -> TapeFacts {
        try withTape(beat) { try TapeFacts($0, $1) }
    }

    /// Calls `ask` with the client of a thread, and with its requests, which have a short timeout.
    func withTape<Value>(
        _ beat: ThreadBeat, _ ask: (TapeClient, JetStream) throws -> Value
    ) throws -> Value {
        guard let client = ears.withLock({ $0?.client }) else {
            throw NotConnected()
        }
        let own = client.calling(beat)
        do {
            return try ask(own, own.jetStream.within(CockpitLimits.natsTimeout))
        } catch {
            throw NatsSilence.isTimeout(error) ? NatsSilence.NoAnswer() : error
        }
    }

    /// Returns the newest document at this path. `nil` if there is none. It does not block.
    func answer(
        _ path: String, _ parameters: [String: String], at now: MonotonicTime
    ) -> PageAnswer? {
        if let answer = desks.answer(path, parameters, at: now) { return answer }
        // The events name the version of the gaps.
        let json =
            path == "/gaps.json"
            ? gapsDocument.withLock { $0.json } : documents.answer(path, at: now)
        return json.map { PageAnswer(json: $0) }
    }

    // MARK: events

    /// Makes events until the shutdown. Returns what the process ends with.
    func run() -> ExitCode {
        var makers = Makers()
        var listeningSince = MonotonicTime.never
        let mailbox = TapeMailbox(capacity: 16)
        var isNotified = false
        let beat = context.threads.thread("collector")
        defer { beat.retire() }
        while !context.shutdown.isRequested {
            beat.beat()
            let now = context.clock.monotonic()
            let heard = ears.withLock { $0 }
            if let heard, !isNotified {
                heard.client.notify(mailbox)
                isNotified = true
            }
            if isClosed(mailbox) {
                context.shutdown.request("the connection to NATS was given up")
                return .unavailable
            }
            if audience.isThere(at: now) {
                if listeningSince == .never {
                    listeningSince = now
                    makers.restart()
                }
                follow(heard?.client)
                publish(sighting(at: now, heard, since: listeningSince), &makers)
            } else if listeningSince != .never {
                listeningSince = .never
                members.close()
            }
            _ = context.shutdown.wait(timeout: CockpitLimits.eventInterval)
        }
        return .success
    }

    func close() {
        members.close()
        ears.withLock { $0 }?.client.close()
    }

    private func isClosed(_ mailbox: TapeMailbox) -> Bool {
        var events: [TapeEvent] = []
        _ = mailbox.receive(into: &events, max: 16, timeout: .zero)
        return events.contains { event in
            if case .closed = event { true } else { false }
        }
    }

    private func follow(_ client: TapeClient?) {
        guard let client, client.connection.isConnected else { return }
        do throws(NatsError) {
            try members.open(client, context.clock)
        } catch {
            // The next event tries again; until then no process is heard, and none looks alive.
            context.telemetry.emit(.membersNotHeard(reason: "\(error)"))
        }
    }

    private func publish(_ sighting: Sighting, _ makers: inout Makers) {
        var overview = makers.overview.make(sighting)
        overview.name(settings.stack)
        let gaps = GapsDocument(
            sighting.gaps.value ?? GapList(), sighting.freshServices, stack: settings.stack)
        gapsDocument.withLock { $0 = gaps }
        let document = LookDocument(
            sighting: sighting, overview: overview, time: context.clock.now(),
            gapsVersion: gaps.version)
        // Pages fetch their own documents when an event comes.
        makeDocuments(sighting, overview, &makers)
        feed.publish("look", document.json)
    }

    private func makeDocuments(
        _ sighting: Sighting, _ overview: Overview, _ makers: inout Makers
    ) {
        makers.trails.note(overview.figures, at: sighting.now)
        if documents.isWanted(.lines, at: sighting.now) {
            documents.put(.lines, makers.trails.json)
        }
        if documents.isWanted(.partitions, at: sighting.now) {
            let look = makers.partitions.make(sighting)
            documents.put(.partitions, PartitionsDocument(look: look, now: sighting.now).json)
        }
        makers.store.note(sighting)
        if documents.isWanted(.store, at: sighting.now) {
            let time = Double(context.clock.now().nanoseconds) / 1e9
            let look = makers.store.make(sighting, time: time)
            documents.put(.store, StoreDocument(look: look, now: sighting.now).json)
        }
        if documents.isWanted(.feeds, at: sighting.now) {
            documents.put(.feeds, FeedsDocument(look: FeedBoard.make(sighting)).json)
        }
        if documents.isWanted(.alerts, at: sighting.now) {
            let document = AlertsDocument(
                prometheus: settings.prometheus?.description, known: alerts.known,
                verdict: overview.verdict, now: sighting.now)
            documents.put(.alerts, document.json)
        }
        if documents.isWanted(.dead, at: sighting.now) {
            documents.put(.dead, desks.letters.document(at: sighting.now, of: settings.stack).json)
        }
        if documents.isWanted(.actions, at: sighting.now) {
            documents.put(.actions, desks.actions.document(at: sighting.now).json)
        }
    }

    // MARK: what is known

    private func sighting(
        at now: MonotonicTime, _ heard: Ears?, since listeningSince: MonotonicTime
    ) -> Sighting {
        var sighting = Sighting()
        sighting.now = now
        sighting.listening.since = listeningSince
        sighting.partitions = settings.partitions
        sighting.told.simulated = settings.simulated
        sighting.told.hours = settings.calendars.hours(at: context.clock.now())
        sighting.database = database.known
        sighting.gaps = gaps.known
        sighting.services = knownServices
        let facts = tape.known
        sighting.streams = Known(
            value: facts.value?.streams, measuredAt: facts.measuredAt, problem: facts.problem,
            askedAt: facts.askedAt)
        guard let heard else {
            sighting.natsProblem = "not connected yet"
            return sighting
        }
        sighting.members = members.members(at: now)
        let tape = HeardTape(
            heads: heard.heads.store, positions: heard.positions.store, facts: facts.value,
            now: now)
        tape.write(into: &sighting)
        if documents.isWanted(.partitions, at: now) || documents.isWanted(.store, at: now) {
            sighting.shares = tape.shares
        }
        let heardAt = ([tape.heardAt] + sighting.members.map(\.heardAt)).max() ?? .distantPast
        sighting.natsProblem =
            heard.client.connection.isConnected
            ? NatsSilence.problem(facts, heardAt: heardAt, at: now) : "the connection is lost"
        return sighting
    }

    /// The pages as they came one by one. A round that hangs has an age.
    private var knownServices: Known<[Sighting.Service]> {
        let (asked, services) = (rounds.known, pages.services)
        let newest = services.map(\.measuredAt).max() ?? .distantPast
        let measuredAt = max(asked.measuredAt, newest)
        return Known(
            value: measuredAt == .distantPast ? nil : services, measuredAt: measuredAt,
            problem: asked.problem, askedAt: asked.askedAt)
    }
}
