internal import MarketModel
internal import PolledEngine
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The main loop of a polling thread, which alone uses the engine. Each turn takes the orders and
/// the answer that came, lets the engine decide, and hands records over in one batch. Between
/// turns it sleeps until something is due, at most a second.
final class PolledLoop {
    /// The longest wait of a turn. The thread has to beat.
    private static let idle: Int64 = 1_000_000_000
    /// How often a full channel is tried again. There is no signal when it has room.
    private static let full = Duration.milliseconds(20)

    struct Parts: Sendable {
        let setup: PolledSetup
        let order: ProviderOrder
        let channel: ProviderChannel
        let inbox: ProviderInbox
        let waker: ProviderWake
        let report: PolledReport
    }

    private let parts: Parts
    private let requests: PolledRequests
    private let beat: ThreadBeat
    private var engine: PolledEngine
    private var out = PolledOutput()
    private let outlet: ProviderOutlet
    private var isOver = false

    init(_ parts: Parts, _ requests: PolledRequests, _ beat: ThreadBeat) {
        self.parts = parts
        self.requests = requests
        self.beat = beat
        engine = PolledEngine(parts.setup.engine)
        outlet = ProviderOutlet(
            parts.channel, pause: Self.full, waits: parts.report.metrics.waits)
    }

    /// Runs until the order to stop comes, or the receiver closes the channel.
    func run() {
        let order = parts.order
        engine.follow(
            begun: begun(order.instruments, reached: order.reached, order.lastValues), ended: [],
            gaps: order.gaps, moment(), into: &out)
        while !isOver { turn() }
        parts.report.ended()
    }

    private func moment() -> Moment { parts.channel.moment() }

    private func begun(
        _ numbers: [UInt32], reached: [Timestamp], _ values: [PublishedValue] = []
    ) -> [PolledEngine.Begun] {
        let last = Dictionary(grouping: values, by: \.instrument)
        return numbers.compactMap { number in
            parts.order.registry.instrument(number).map {
                PolledEngine.Begun(
                    number: number, instrument: $0,
                    reached: Int(number) < reached.count ? reached[Int(number)] : .undefined,
                    last: last[number] ?? [])
            }
        }
    }

    private func turn() {
        beat.beat()
        followOrders()
        guard !isOver else { return }
        requests.take { engine.answered($0, $1, moment(), into: &out) }
        engine.timePassed(moment(), into: &out)
        carryOut()
        guard handOver() else { return }
        let now = moment()
        parts.report.show(engine.status, engine.limits(now.monotonic), now)
        parts.waker.wait(.nanoseconds(min(Self.idle, max(0, engine.nextDue - now.monotonic))))
    }

    private func followOrders() {
        let orders = parts.inbox.take()
        if orders.isStopping {
            engine.stop(moment(), into: &out)
            carryOut()
            return finish()
        }
        guard !orders.begun.isEmpty || !orders.ended.isEmpty else { return }
        engine.follow(
            begun: begun(orders.begun, reached: []), ended: orders.ended, moment(), into: &out)
    }

    /// Carries out the engine's wish and reports its notes.
    private func carryOut() {
        if let request = out.request {
            out.request = nil
            if let outcome = requests.ask(request) {
                engine.answered(request.number, outcome, moment(), into: &out)
            }
        }
        for note in out.notes { parts.report.report(note) }
        out.notes.removeAll(keepingCapacity: true)
        if out.notesLost > 0 { parts.report.lost(notes: out.notesLost) }
        out.notesLost = 0
    }

    /// Hands the records and the floor over. Returns false when there was no room: then nothing is
    /// asked until there is.
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
