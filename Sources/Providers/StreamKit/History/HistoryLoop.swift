internal import EngineKit
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The main loop of a loading thread. Each turn hands over what there is, takes the answer that
/// came, and asks for more. While the gateway has no room, nothing is asked.
final class HistoryLoop<Client: HistoryClient> {
    /// The longest wait of a turn. The thread has to beat.
    private let idle: Int64 = 500_000_000
    /// How often a full channel is tried again. There is no signal when it has room.
    private let full = Duration.milliseconds(5)

    struct Parts: Sendable {
        let provider: String
        let range: HistorySettings
        let order: ProviderOrder
        let channel: ProviderChannel
        let inbox: ProviderInbox
        let report: HistoryReport
    }

    private let parts: Parts
    private let client: Client
    private let beat: ThreadBeat
    private let outlet: ProviderOutlet
    private var history: HistoryMachine<Client.Service>
    private var out = HistoryMachine<Client.Service>.Output()
    private var isOver = false

    init(_ parts: Parts, _ service: Client.Service, _ client: Client, _ beat: ThreadBeat) {
        self.parts = parts
        self.client = client
        self.beat = beat
        outlet = ProviderOutlet(parts.channel, pause: full, waits: parts.report.waits)
        // The seed decides only waits, so any number will do.
        history = HistoryMachine(
            service,
            HistoryMachine.Settings(
                provider: parts.provider, from: parts.range.from, to: parts.range.to,
                seed: UInt64.random(in: 0...UInt64.max)))
    }

    /// Runs until everything is handed over, the order to stop comes, or the receiver closes the
    /// channel. What is stopped continues after the last trade on the tape.
    func run() {
        history.begin(begun, promised: promised, moment(), into: &out)
        while !isOver { turn() }
        parts.report.show(history.progress, history.limits(moment().monotonic), moment())
    }

    private func moment() -> Moment { parts.channel.moment() }

    /// The watermark that all partitions have; undefined: one has none.
    private var promised: Timestamp {
        let marks = parts.order.standing.map(\.watermark)
        guard marks.count == parts.order.partitions, marks.allSatisfy(\.isDefined) else {
            return .undefined
        }
        return marks.min() ?? .undefined
    }

    private var begun: [HistoryBegun] {
        let order = parts.order
        // One of an earlier range says nothing of this one, and the last bar of one may end where
        // this one begins.
        let known = order.lastTrades.filter { last in
            let isOfBars = order.registry.instrument(last.instrument)?.isOfPastBars ?? false
            return isOfBars ? last.time > parts.range.from : last.time >= parts.range.from
        }
        let lasts = Dictionary(known.map { ($0.instrument, ($0.id, $0.time)) }) { $1 }
        let marks = Dictionary(order.standing.map { ($0.partition, $0.watermark) }) { $1 }
        return order.instruments.compactMap { number in
            order.registry.instrument(number).map { instrument in
                let partition = Partition(of: instrument.symbol, count: order.partitions)
                return HistoryBegun(
                    number: number, instrument: instrument, last: lasts[number],
                    mark: marks[partition] ?? .undefined)
            }
        }
    }

    private func turn() {
        beat.beat()
        if parts.inbox.take().isStopping {
            isOver = true
            return
        }
        guard outlet.handOver(&out.records, floor: out.floor) else {
            isOver = outlet.isClosed
            return
        }
        switch history.phase {
        case .loading: load()
        // The ends follow when the gateway has taken everything before: then the packet that has
        // them has the watermark, too, by which a later process knows that nothing is missing.
        case .ending:
            if parts.channel.isStirred {
                client.wait(full)
            } else {
                history.end(moment(), into: &out)
            }
        case .finished:
            parts.channel.finish()
            isOver = true
        case .failed: client.wait(.nanoseconds(idle))
        }
        parts.report.show(history.progress, history.limits(moment().monotonic), moment())
    }

    private func load() {
        client.take { number, outcome in history.answered(number, outcome, moment()) }
        history.timePassed(moment(), into: &out)
        guard let request = out.request else {
            guard out.records.isEmpty, history.phase == .loading else { return }
            let wait = min(idle, max(0, history.nextDue - moment().monotonic))
            return client.wait(.nanoseconds(wait))
        }
        out.request = nil
        if let outcome = client.ask(request) {
            history.answered(request.number, outcome, moment())
        }
    }
}
