internal import EngineKit
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The main loop of a provider's thread, which alone uses the engine and what it waits on. Each
/// turn waits, gives the engine what has come, and hands the records over to the gateway in one
/// batch. While the gateway takes nothing, nothing is read and nothing is asked, so that the
/// service waits.
final class ProviderLoop<Service: ProviderService> {
    struct Parts: Sendable {
        let service: Service
        let order: ProviderOrder
        let channel: ProviderChannel
        let inbox: ProviderInbox
        let report: ProviderReport<Service>
    }

    private let parts: Parts
    private let wait: Service.Wait
    private let requests: Service.Requests?
    private let beat: ThreadBeat
    private let outlet: ProviderOutlet
    private var engine: Service.Engine
    private var out = Service.Engine.Output()
    private var isOver = false

    init(
        _ parts: Parts, _ wait: Service.Wait, _ requests: Service.Requests?, _ beat: ThreadBeat
    ) {
        self.parts = parts
        self.wait = wait
        self.requests = requests
        self.beat = beat
        engine = parts.service.makeEngine()
        outlet = ProviderOutlet(
            parts.channel, pause: Service.Wait.pause, waits: parts.report.metrics.waits)
    }

    /// Runs until the order to stop comes, or the receiver closes the channel.
    func run() {
        let order = parts.order
        engine.follow(
            begun: begun(order.instruments, order), ended: [], gaps: order.gaps, moment(),
            into: &out)
        carryOut()
        parts.report.show(engine, moment())
        while !isOver { turn() }
        wait.end()
        parts.report.ended()
    }

    private func moment() -> Moment { parts.channel.moment() }

    private func begun(
        _ numbers: [UInt32], _ order: ProviderOrder?
    ) -> [Service.Engine.Begun] {
        let instruments = numbers.compactMap { number in
            parts.order.registry.instrument(number).map {
                BegunInstrument(
                    number: number, instrument: $0,
                    reached: order?.reached(number) ?? .undefined)
            }
        }
        return parts.service.begun(instruments, order)
    }

    private func turn() {
        beat.beat()
        followOrders()
        guard handOver(), !isOver else { return }
        let due = engine.nextDue - moment().monotonic
        wait.wait(.nanoseconds(min(Service.Wait.longest, max(0, due))))
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
        for wish in orders.restarted { engine.restart(wish.instrument, wish.kind) }
        guard !orders.begun.isEmpty || !orders.ended.isEmpty else { return }
        engine.follow(
            begun: begun(orders.begun, nil), ended: orders.ended, gaps: [], now, into: &out)
    }

    /// Gives the engine what had arrived, all with one time, and then the time: so nothing seems
    /// silent because this thread did not read.
    private func receive() {
        let now = moment()
        let bytes = wait.take(into: &engine, now, &out)
        if bytes > 0 { parts.report.metrics.bytes?.add(bytes) }
        requests?.take { number, answer in engine.answered(number, answer, now, into: &out) }
        engine.drained(now, into: &out)
        engine.timePassed(now, into: &out)
    }

    /// Carries out the engine's wishes and reports its notes.
    private func carryOut() {
        while !out.wishes.isEmpty {
            let wishes = out.wishes
            out.wishes.removeAll(keepingCapacity: true)
            for wish in wishes { carryOut(parts.service.step(wish)) }
        }
        for note in out.notes { parts.service.report(note, to: parts.report) }
        out.notes.removeAll(keepingCapacity: true)
        if out.notesLost > 0 { parts.report.lost(notes: out.notesLost) }
        out.notesLost = 0
        if let ahead = engine.takeClockAhead() { parts.channel.report(clockAhead: ahead) }
    }

    private func carryOut(_ step: ProviderStep<Service.Wait.Step, Service.Requests.Request>) {
        switch step {
        case .link(let step): wait.carryOut(step, for: &engine, moment(), &out)
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
