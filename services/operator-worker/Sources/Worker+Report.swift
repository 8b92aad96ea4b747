import MarketModel
import Primitives
import ServiceRuntime
import StreamCore
import TapeCodec
import TapeProtocol
import TapeTransport

// How the worker reports on its partitions: readiness, metrics, status, positions.
extension Worker {
    /// The interval of reports.
    private static let reportNanoseconds: Int64 = 250_000_000
    /// How long a partition may prepare for work before the worker is not ready. Partitions move
    /// between workers, and a worker that has just taken some is no worse than one without.
    private static let openingNanosecondsMax: Int64 = 10_000_000_000

    /// Why a partition makes no bars at the moment.
    private struct Problem {
        let text: String
        /// Whether the worker is not ready because of it from now on. Other problems usually end
        /// soon by themselves, and count only after `openingNanosecondsMax`.
        var isUrgent = true
    }

    private static let opening = Problem(text: "it is being opened", isUrgent: false)

    /// Returns `nil` for a partition that works, or that another worker owns.
    private func problem(_ slot: PartitionSlot) -> Problem? {
        switch slot.stage {
        case .idle: return nil
        case .waiting(_, let reason): return reason.map { Problem(text: $0) } ?? Self.opening
        case .looking, .opening, .finding, .restored: return Self.opening
        case .stopped(let reason): return Problem(text: reason)
        case .leaving: return Problem(text: "its bars are about to be made anew")
        case .releasing: return Problem(text: "it goes to another worker", isUrgent: false)
        case .working, .storing: break
        }
        if let problem = readers.problem(slot.reader) {
            return Problem(text: "\(problem); \(RecoverySituation.remedy(slot.partition))")
        }
        if let stopped = slot.core?.stopped { return Problem(text: stopped) }
        if !(slot.core?.hasBegunLine ?? true) {
            return Problem(text: "its bars are being made anew")
        }
        guard !readers.isReading(slot.reader) else { return nil }
        return slot.progress.hasRead ? Problem(text: Self.opening.text) : Self.opening
    }

    /// Reports what is due. The loop calls it in each turn.
    func reportState() {
        let now = clock.monotonic()
        guard now >= reportedAt.next(every: Self.reportNanoseconds) else { return }
        reportedAt = now
        var lines: [OperatorReport.Line] = []
        for slot in slots {
            guard slot.isOwned else {
                context.readiness.set("partition \(slot.partition)", nil)
                continue
            }
            let problem = problem(slot)
            let isReported =
                problem?.isUrgent ?? false
                || now - slot.progress.orderedAt >= Self.openingNanosecondsMax
            context.readiness.set("partition \(slot.partition)", isReported ? problem?.text : nil)
            if let stopped = slot.core?.stopped {
                context.telemetry.emit(
                    .partitionStopped(partition: slot.partition, reason: stopped))
            }
            lines.append(
                OperatorReport.Line(
                    slot, epoch: publisher.epoch(lane: slot.lane),
                    input: readers.position(slot.reader), problem: problem?.text, now: now,
                    repair: repairing.flatMap { $0.slot == slot.reader ? $0 : nil },
                    isOverAll: slot.partition == client.names.universe))
        }
        // After the start this says only whether bars can be published.
        context.readiness.set(ReadinessPart.tape, publisher.trouble)
        metrics.update(lines)
        metrics.update(edgeLevels)
        for event in calendars.update(now: clock.now()) { context.telemetry.emit(event) }
        context.readiness.degrade("calendar", calendars.problem)
        sources.update(lines.map(\.sources), now: now)
        if slotOfPartition[client.names.universe] != nil {
            context.readiness.degrade("values over all partitions", sources.problem)
        }
        report.update(lines, calendars, sources)
        let universe = client.names.universe
        positions.report(now: now) { slots.flatMap { reportedPositions($0) } }
        heads.report(now: now) { slots.filter { $0.partition != universe }.compactMap(head) }
        lag.report(now: now) {
            slots.filter(\.isOwned).map { slot in
                let isUniverse = slot.partition == universe
                return OwnLag.Share(
                    partition: isUniverse ? "all" : "\(slot.partition)",
                    positions: reportedPositions(slot))
            }
        }
        reportLeftOut()
        universeHeads.report(now: now) {
            slots.filter { $0.partition == universe }.compactMap(head)
        }
    }

    /// Returns the newest output of a partition; `nil` before this worker has opened its lane.
    private func head(_ slot: PartitionSlot) -> TapeHead? {
        guard slot.progress.openedAt != nil else { return nil }
        return TapeHead(
            partition: client.names.outputPartition(slot.partition),
            epoch: publisher.epoch(lane: slot.lane),
            lastOrdinal: publisher.nextOrdinal(lane: slot.lane) - 1, sequence: slot.headSequence)
    }

    /// Returns the positions to report; empty for a partition that is not owned or not working yet.
    /// For that one, its previous owner has reported.
    private func reportedPositions(_ slot: PartitionSlot) -> [ReaderPosition] {
        guard slot.isOwned, slot.core != nil, let position = readers.position(slot.reader) else {
            return []
        }
        guard slot.partition != client.names.universe else {
            return reportedPositions(slot, at: position)
        }
        return [
            ReaderPosition(
                partition: slot.partition, input: .ticks, sequence: position.sequence,
                durable: slot.durable, sources: position.sources,
                proof: ReaderPosition.Proof(position))
        ]
    }
}
