internal import BinanceEngine
internal import EngineKit
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import WebSocketClient

/// The main loop of the thread `binance`, which alone uses the connections and the engine. Each
/// turn waits for messages, gives them to the engine, and hands the records over to the gateway in
/// one batch. While the gateway takes nothing, nothing is read, so that the exchange waits.
final class BinanceLoop {
    /// The longest wait of a turn: so often the floor advances when nothing arrives.
    private static let idle: Int64 = 50_000_000
    /// How often a full channel is tried again. There is no signal when it has room.
    private static let full = Duration.milliseconds(2)

    struct Parts: Sendable {
        let setup: BinanceSetup
        let order: ProviderOrder
        let channel: ProviderChannel
        let inbox: ProviderInbox
        let report: BinanceReport
    }

    private let parts: Parts
    private let client: WebSocketClient
    private let past: BinancePast?
    private let beat: ThreadBeat
    private var engine: BinanceEngine
    private var out = BinanceOutput()
    private var connections: NumberedConnections
    private let outlet: ProviderOutlet
    private var isOver = false

    static func client(_ setup: BinanceSetup) throws(WebSocketError) -> sending WebSocketClient {
        try WebSocketClient(setup.client)
    }

    init(
        _ parts: Parts, _ client: WebSocketClient, _ past: BinancePast?, _ beat: ThreadBeat
    ) {
        self.parts = parts
        self.client = client
        connections = NumberedConnections(client)
        self.past = past
        self.beat = beat
        engine = BinanceEngine(parts.setup.engine)
        outlet = ProviderOutlet(
            parts.channel, pause: Self.full, waits: parts.report.metrics.waits)
    }

    /// Runs until the order to stop comes, or the receiver closes the channel.
    func run() {
        let order = parts.order
        engine.follow(
            begun: begun(order.instruments, reached: order.reached, order.lastTrades), ended: [],
            gaps: order.gaps, moment(), into: &out)
        carryOut()
        parts.report.show(engine, moment())
        while !isOver { turn() }
        connections.closeAll()
        parts.report.ended()
    }

    private func moment() -> Moment { parts.channel.moment() }

    private func begun(
        _ numbers: [UInt32], reached: [Timestamp], _ lasts: [ProviderOrder.LastTrade] = []
    ) -> [BinanceEngine.Begun] {
        let lasts = Dictionary(lasts.map { ($0.instrument, ($0.id, $0.time)) }) { $1 }
        return numbers.compactMap { number in
            parts.order.registry.instrument(number).map {
                BinanceEngine.Begun(
                    number: number, instrument: $0,
                    reached: Int(number) < reached.count ? reached[Int(number)] : .undefined,
                    last: lasts[number])
            }
        }
    }

    private func turn() {
        beat.beat()
        followOrders()
        guard handOver(), !isOver else { return }
        let now = moment()
        let wait = min(Self.idle, max(0, engine.nextDue - now.monotonic))
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
            return finish()
        }
        for instrument in orders.books { engine.restartBook(of: instrument) }
        guard !orders.begun.isEmpty || !orders.ended.isEmpty else { return }
        engine.follow(
            begun: begun(orders.begun, reached: []), ended: orders.ended, now, into: &out)
    }

    /// Gives the engine what had arrived, all with one time, and then the time: so nothing seems
    /// silent because this thread did not read.
    private func receive() {
        let now = moment()
        let bytes = UInt64(client.waitingBytes)
        connections.take { leg, event, bytes in handle(leg, event, bytes, now) }
        if bytes > 0 { parts.report.metrics.bytes.add(bytes) }
        past?.take { number, outcome in engine.fetched(number, outcome, now, into: &out) }
        engine.drained(now, into: &out)
        engine.timePassed(now, into: &out)
    }

    private func handle(
        _ leg: BinanceLegNumber, _ event: WebSocketEvent, _ bytes: RawSpan, _ now: Moment
    ) {
        switch event {
        case .opened: engine.opened(leg, now, into: &out)
        case .message(let isText):
            engine.received(bytes, isText: isText, on: leg, now, into: &out)
        case .ended(let error): engine.ended(leg, "\(error)", now, into: &out)
        }
    }

    /// Carries out the engine's wishes and reports its notes.
    private func carryOut() {
        let wishes = out.wishes
        out.wishes.removeAll(keepingCapacity: true)
        for wish in wishes {
            switch wish {
            case .open(let leg): open(leg)
            case .close(let leg): connections.close(leg)
            case .fetch(let fetch):
                if let outcome = past?.ask(fetch) {
                    engine.fetched(fetch.number, outcome, moment(), into: &out)
                }
            case .lookUp(let question):
                if let outcome = past?.ask(question) {
                    engine.fetched(question.number, outcome, moment(), into: &out)
                }
            case .send(let leg, let text):
                guard !connections.send(text, on: leg) else { continue }
                engine.ended(leg, "a request could not be sent", moment(), into: &out)
            }
        }
        for note in out.notes { parts.report.report(note) }
        out.notes.removeAll(keepingCapacity: true)
        if out.notesLost > 0 { parts.report.lost(notes: out.notesLost) }
        out.notesLost = 0
        if let ahead = engine.takeClockAhead() { parts.channel.report(clockAhead: ahead) }
    }

    private func open(_ leg: BinanceLegNumber) {
        do throws(WebSocketError) {
            try connections.open(parts.setup.url, as: leg)
        } catch {
            engine.ended(leg, "\(error)", moment(), into: &out)
        }
    }

    /// Hands the records and the floor over. Returns false when there was no room: then nothing is
    /// read until there is.
    private func handOver() -> Bool {
        let isTaken = outlet.handOver(&out.records, floor: out.floor)
        if outlet.isClosed { isOver = true }
        return isTaken
    }

    /// Hands over the last records.
    private func finish() {
        outlet.finish(&out.records, floor: out.floor, beat)
        isOver = true
    }
}
