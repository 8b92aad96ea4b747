internal import EngineKit
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import WebSocketClient

/// The main loop of a provider's thread, which alone uses the connections and the engine. Each turn
/// waits for frames, gives them to the engine, and hands the records over to the gateway in one
/// batch. While the gateway takes nothing, nothing is read, so that the service waits.
final class StreamLoop<Service: StreamService> {
    /// The longest wait of a turn: so often the floor advances when nothing arrives.
    private let idle: Int64 = 50_000_000

    struct Parts: Sendable {
        let service: Service
        let order: ProviderOrder
        let channel: ProviderChannel
        let inbox: ProviderInbox
        let report: StreamReport<Service>
    }

    private let parts: Parts
    private let client: WebSocketClient
    private let requests: StreamRequests?
    private let beat: ThreadBeat
    private let outlet: ProviderOutlet
    private var engine: Service.Engine
    private var out = StreamOutput<Service.Engine.Wish, Service.Engine.Note>()
    private var connections: NumberedConnections
    private var isOver = false

    init(
        _ parts: Parts, _ client: WebSocketClient, _ requests: StreamRequests?,
        _ beat: ThreadBeat
    ) {
        self.parts = parts
        self.client = client
        self.requests = requests
        connections = NumberedConnections(client)
        self.beat = beat
        engine = parts.service.makeEngine()
        // How often a full channel is tried again.
        outlet = ProviderOutlet(
            parts.channel, pause: .milliseconds(2), waits: parts.report.metrics.waits)
    }

    /// Runs until the order to stop comes, or the receiver closes the channel.
    func run() {
        let order = parts.order
        engine.follow(
            begun: begun(order.instruments, reached: order.reached), ended: [],
            gaps: order.gaps, moment(), into: &out)
        carryOut()
        parts.report.show(engine, moment())
        while !isOver { turn() }
        connections.closeAll()
        parts.report.ended()
    }

    private func moment() -> Moment { parts.channel.moment() }

    private func begun(_ numbers: [UInt32], reached: [Timestamp]) -> [BegunInstrument] {
        numbers.compactMap { number in
            parts.order.registry.instrument(number).map {
                BegunInstrument(
                    number: number, instrument: $0,
                    reached: Int(number) < reached.count ? reached[Int(number)] : .undefined)
            }
        }
    }

    private func turn() {
        beat.beat()
        followOrders()
        guard handOver(), !isOver else { return }
        let now = moment()
        let wait = min(idle, max(0, engine.nextDue - now.monotonic))
        client.work(for: .nanoseconds(wait))
        receive()
        carryOut()
        parts.report.show(engine, moment())
        _ = handOver()
    }

    private func followOrders() {
        let orders = parts.inbox.take()
        let now = moment()
        if orders.isStopping {
            engine.stop(now, into: &out)
            carryOut()
            outlet.finish(&out.records, floor: out.floor, beat)
            isOver = true
            return
        }
        guard !orders.begun.isEmpty || !orders.ended.isEmpty else { return }
        engine.follow(
            begun: begun(orders.begun, reached: []), ended: orders.ended, gaps: [], now,
            into: &out)
    }

    /// Gives the engine what had arrived, all with one time, and then the time: so nothing seems
    /// silent because this thread did not read.
    private func receive() {
        let now = moment()
        let bytes = UInt64(client.waitingBytes)
        connections.take { number, event, bytes in handle(number, event, bytes, now) }
        if bytes > 0 { parts.report.metrics.bytes.add(bytes) }
        requests?.take { number, answer in engine.answered(number, answer, now, into: &out) }
        engine.drained(now, into: &out)
        engine.timePassed(now, into: &out)
    }

    private func handle(
        _ number: UInt32, _ event: WebSocketEvent, _ bytes: RawSpan, _ now: Moment
    ) {
        switch event {
        case .opened: engine.opened(number, now, into: &out)
        case .message(let isText):
            engine.received(bytes, isText: isText, on: number, now, into: &out)
        case .ended(let error): engine.ended(number, "\(error)", now, into: &out)
        }
    }

    /// Carries out the engine's wishes and reports its notes.
    private func carryOut() {
        while !out.wishes.isEmpty {
            let wishes = out.wishes
            out.wishes.removeAll(keepingCapacity: true)
            for wish in wishes { carryOut(parts.service.step(wish)) }
        }
        for note in out.notes { Service.report(note, to: parts.report) }
        out.notes.removeAll(keepingCapacity: true)
        if out.notesLost > 0 { parts.report.lost(notes: out.notesLost) }
        out.notesLost = 0
        if let ahead = engine.takeClockAhead() { parts.channel.report(clockAhead: ahead) }
    }

    private func carryOut(_ step: StreamStep) {
        switch step {
        case .open(let number, let address):
            do throws(WebSocketError) {
                try connections.open(address, as: number)
            } catch {
                engine.ended(number, "\(error)", moment(), into: &out)
            }
        case .send(let number, let text):
            guard !connections.send(text, on: number) else { return }
            engine.ended(number, "a request could not be sent", moment(), into: &out)
        case .close(let number): connections.close(number)
        case .ask(let number, let request):
            guard let answer = requests?.ask(number, request) else { return }
            engine.answered(number, answer, moment(), into: &out)
        }
    }

    /// Hands the records and the floor over. Returns false when there was no room: then nothing is
    /// read until there is.
    private func handOver() -> Bool {
        let isTaken = outlet.handOver(&out.records, floor: out.floor)
        if outlet.isClosed { isOver = true }
        return isTaken
    }
}
