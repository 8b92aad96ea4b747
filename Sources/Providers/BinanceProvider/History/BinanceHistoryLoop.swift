internal import BinanceEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime

/// The main loop of a loading thread. Each turn hands over what there is, takes the answer that
/// came, and asks for more. While the gateway has no room, nothing is asked.
final class BinanceHistoryLoop {
    /// The longest wait of a turn. The thread has to beat.
    private static let idle: Int64 = 500_000_000
    /// How often a full channel is tried again. There is no signal when it has room.
    private static let full = Duration.milliseconds(5)

    struct Parts: Sendable {
        let range: HistorySettings
        /// The length of bars, for instruments with them.
        let bars: BinanceBarLength
        let order: ProviderOrder
        let channel: ProviderChannel
        let inbox: ProviderInbox
        let waker: ProviderWake
        let report: BinanceHistoryReport
    }

    private let parts: Parts
    private let past: BinancePast
    private let beat: ThreadBeat
    private let outlet: ProviderOutlet
    private var history: BinanceHistory
    private var out = BinanceHistory.Output()
    private var isOver = false

    init(_ parts: Parts, _ past: BinancePast, _ beat: ThreadBeat) {
        self.parts = parts
        self.past = past
        self.beat = beat
        outlet = ProviderOutlet(parts.channel, pause: Self.full, waits: parts.report.waits)
        // The seed decides only waits, so any number will do.
        history = BinanceHistory(
            BinanceHistory.Settings(
                provider: BinanceHistoryProvider.providerName, from: parts.range.from,
                to: parts.range.to, bars: parts.bars, seed: UInt64.random(in: 0...UInt64.max)))
    }

    /// Runs until everything is handed over, the order to stop comes, or the receiver closes the
    /// channel. What is stopped continues after the last trade on the tape.
    func run() {
        history.begin(begun, promised: promised, moment(), into: &out)
        while !isOver { turn() }
        parts.report.show(history)
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

    private var begun: [BinanceHistory.Begun] {
        let order = parts.order
        // One of an earlier range says nothing of this one, and the last bar of one may end where
        // this one begins.
        let known = order.lastTrades.filter { last in
            let isOfBars =
                order.registry.instrument(last.instrument)
                .map(BinanceHistory.isOfBars) ?? false
            return isOfBars ? last.time > parts.range.from : last.time >= parts.range.from
        }
        let lasts = Dictionary(known.map { ($0.instrument, ($0.id, $0.time)) }) { $1 }
        let marks = Dictionary(order.standing.map { ($0.partition, $0.watermark) }) { $1 }
        return order.instruments.compactMap { number in
            order.registry.instrument(number).map { instrument in
                let partition = Partition(of: instrument.symbol, count: order.partitions)
                return BinanceHistory.Begun(
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
                parts.waker.wait(Self.full)
            } else {
                history.end(moment(), into: &out)
            }
        case .finished:
            parts.channel.finish()
            isOver = true
        case .failed: parts.waker.wait(.nanoseconds(Self.idle))
        }
        parts.report.show(history)
    }

    private func load() {
        past.take { number, outcome in history.answered(number, outcome, moment()) }
        history.timePassed(moment(), into: &out)
        guard let request = out.request else {
            guard out.records.isEmpty, history.phase == .loading else { return }
            let wait = min(Self.idle, max(0, history.nextDue - moment().monotonic))
            return parts.waker.wait(.nanoseconds(wait))
        }
        out.request = nil
        if let outcome = past.ask(request) { history.answered(request.number, outcome, moment()) }
    }
}
