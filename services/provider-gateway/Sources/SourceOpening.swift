import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import Telemetry

/// A source that is open on every one of its subjects: nobody else adds ticks to it any more, and
/// the provider goes on behind the last one that stands.
struct OpenedSource {
    let mailbox: TapeMailbox
    let publisher: TapePublisher
    let lanes: SourceLanes
    let provider: SyntheticProvider
    let recorder: SourceRecorder
    let listener: PositionListener
}

/// Opens a source: first what others remember of it, then the epochs, then a look at what stands.
/// The first because a tape that was put back cannot say so itself. The last because a predecessor
/// that is still alive could add ticks after an earlier look, and they would come twice.
struct SourceOpening {
    enum Outcome {
        case opened(OpenedSource)
        /// The service has to end.
        case ended(ExitCode)
    }

    private static let eventsPerTurn = 256
    private static let waitMax = Duration.milliseconds(20)
    /// How long readers have to answer: those that are alive do within a few milliseconds.
    private static let listenNanoseconds: Int64 = 300_000_000
    /// Between two tries to read where the source left off.
    private static let retryNanoseconds: Int64 = 500_000_000

    private let settings: GatewaySettings
    private let client: TapeClient
    private let context: ServiceContext
    private let clock = SystemClock()
    private let mailbox = TapeMailbox(capacity: 4_096)
    private let publisher: TapePublisher
    private var lanes: SourceLanes
    private var retryAt = Int64.min
    private var recorder: SourceRecorder?
    private let listener: PositionListener
    /// Until then readers may tell what they have; then the epochs are opened.
    private var listenUntil: Int64?

    init(_ settings: GatewaySettings, client: TapeClient, context: ServiceContext) throws {
        self.settings = settings
        self.client = client
        self.context = context
        client.notify(mailbox)
        listener = try PositionListener(client, source: settings.source)
        publisher = try TapePublisher(client, mailbox: mailbox)
        lanes = SourceLanes(settings, names: client.names, publisher: publisher)
    }

    mutating func run() throws -> Outcome {
        context.readiness.set(ReadinessPart.tape, "the tape is being opened")
        var events: [TapeEvent] = []
        while !context.shutdown.isRequested {
            try remember()
            if let recorder, let provider = resumed() {
                context.readiness.set(ReadinessPart.tape, nil)
                context.telemetry.emit(
                    GatewayStarted(source: settings.source, nextTick: provider.next))
                return .opened(
                    OpenedSource(
                        mailbox: mailbox, publisher: publisher, lanes: lanes, provider: provider,
                        recorder: recorder, listener: listener))
            }
            _ = mailbox.receive(into: &events, max: Self.eventsPerTurn, timeout: Self.waitMax)
            if let ending = handle(&events) { return .ended(ending) }
            publisher.tick()
            // A full tape takes no marker either: the reason is more than "being opened".
            if let trouble = publisher.trouble {
                context.readiness.set(ReadinessPart.tape, trouble)
            }
        }
        return .ended(.success)
    }

    /// Reads the source's record and asks the readers, until that succeeds; then listens for a
    /// moment, and opens the epochs above all of it.
    private mutating func remember() throws {
        let now = clock.monotonic().nanoseconds
        if let until = listenUntil, now >= until {
            if let heard = listener.news() { lanes.raise(to: heard) }
            publisher.open()
            listenUntil = nil
        }
        guard recorder == nil, now >= retryAt else { return }
        do {
            try listener.ask()
            let recorder = try SourceRecorder(client, source: settings.source)
            lanes.raise(to: recorder.found)
            self.recorder = recorder
            listenUntil = clock.monotonic().nanoseconds + Self.listenNanoseconds
        } catch let error as TapeError where !error.isRetryable {
            throw error
        } catch {
            notRead(error, now)
        }
    }

    private mutating func notRead(_ error: any Error, _ now: Int64) {
        retryAt = now + Self.retryNanoseconds
        context.readiness.set(ReadinessPart.tape, "\(error)")
        context.telemetry.emit(SourceNotRead(source: settings.source, reason: "\(error)"))
    }

    /// Nil as long as an epoch's marker does not stand, or the tape does not answer.
    private mutating func resumed() -> SyntheticProvider? {
        let now = clock.monotonic().nanoseconds
        guard now >= retryAt, lanes.all.allSatisfy({ publisher.isReady(lane: $0) }) else {
            return nil
        }
        do {
            return try lanes.resume(client: client, now: clock.now())
        } catch {
            notRead(error, now)
            return nil
        }
    }

    private func handle(_ events: inout [TapeEvent]) -> ExitCode? {
        defer { events.removeAll(keepingCapacity: true) }
        for event in events {
            switch event {
            case .answer(let message): publisher.handle(message)
            case .closed(let reason):
                context.telemetry.emit(ConnectionGone(reason: reason))
                return .unavailable
            case .delivery, .reconnected, .wake: continue
            }
        }
        publisher.acknowledged.removeAll(keepingCapacity: true)
        guard let lane = lanes.all.first(where: { publisher.isFenced(lane: $0) }) else {
            return nil
        }
        context.telemetry.emit(
            SourceTakenOver(source: settings.source, epoch: publisher.epoch(lane: lane)))
        return .temporary
    }
}
