import Primitives
import ServiceRuntime
import StoreSinks
import TapeCodec
import TapeProtocol
import TapeTransport

// How the partitions and the queues are reported.
extension Intake {
    /// The interval of `reportState`.
    private static let reportNanoseconds: Int64 = 100_000_000
    /// How long a queue may be high before `queueHigh` is sent. A shorter time is normal, because a
    /// high queue makes its worker write a batch.
    private static let highNanoseconds: Int64 = 1_000_000_000
    /// The shortest time between two `queueDropped` of one worker.
    private static let droppedNanoseconds: Int64 = 1_000_000_000

    /// Reports the state of inputs and queues, when it is due: readiness, the status page, metrics,
    /// and the positions for gateways.
    func reportState() {
        let now = clock.monotonic()
        guard now >= reportedAt.next(every: Self.reportNanoseconds) else { return }
        reportedAt = now
        var lines: [WriterReport.Line] = []
        for index in inputs.indices where inputs[index].stored != nil {
            let problem = readers.problem(index).map {
                "\($0) (see `tapeline position verify`; `accept` goes on)"
            }
            context.readiness.set(InputNumber.name(index), problem)
            lines.append(
                WriterReport.Line(
                    InputNumber.place(index), stored: inputs[index].stored, problem: problem))
        }
        reportReaders()
        report.update(lines)
        positions.report(now: now) { inputs.indices.compactMap(reportedPosition) }
        lag.report(now: now) {
            slots.filter { $0.tenure != nil }.map { slot in
                OwnLag.Share(
                    partition: "\(slot.partition)",
                    positions: InputNumber.both(of: slot.partition).compactMap(reportedPosition))
            }
        }
        for (place, input) in SinkInput.allCases.enumerated() {
            metrics.delayed(delays[place].farthest(now: now), of: input)
        }
        metrics.alive(report.alive)
        reportGroups()
        for index in workers.indices { reportQueue(index, now) }
    }

    /// Returns the position in the database, also while the reader is stopped or held; `nil` when
    /// the input is not claimed, or not read. What was read and not committed does not count.
    private func reportedPosition(_ input: Int) -> ReaderPosition? {
        let place = InputNumber.place(input)
        guard reads.contains(place.input), let stored = inputs[input].stored else { return nil }
        // The tape is needed from where the last group of tables is that waits apart.
        let durable = inputs[input].durable.durable(
            stored.floor, isOnStandby: stored.isFloorOnStandby, now: clock.monotonic())
        return ReaderPosition(
            partition: place.partition, input: place.input.reported,
            sequence: stored.position?.sequence ?? 0,
            durable: min(durable, stored.position?.sequence ?? 0),
            sources: stored.sources.map { account in
                SourceOrdinal(
                    source: account.source,
                    epoch: stored.position?.source(account.source)?.epoch ?? 0,
                    lastOrdinal: account.lastOrdinal)
            }, proof: stored.position.map { ReaderPosition.Proof($0) })
    }

    /// Reports the groups of tables that wait apart. The store takes the rows of the others, so the
    /// writer is ready.
    private func reportGroups() {
        let lines = report.groups
        for group in TableGroup.allCases {
            let line = lines.first { $0.group == group }
            metrics.apart(group, line)
            if line == nil, apart.contains(group) {
                context.telemetry.emit(.groupJoined(group: group))
            }
            context.readiness.degrade(
                "tables of \(group.rawValue)",
                line.map { line in
                    line.problem.map { "they wait apart, and cannot read their tape: \($0)" }
                        ?? "\(line.reason.table.rawValue) does not take its rows, so its group "
                        + "waits apart: \(line.reason.text)"
                })
        }
        apart = Set(lines.map(\.group))
    }

    /// Reports how many readers have not proven their positions yet. A reader first compares the
    /// packet at its position with the tape.
    private func reportReaders() {
        let count = inputs.indices.count {
            inputs[$0].isOpen && !readers.isReading($0) && readers.problem($0) == nil
        }
        context.readiness.set(
            "readers",
            count == 0 ? nil : "\(count) positions are being compared with the tape")
    }

    /// Reports one worker's queue: gauges, dropped records, and whether it is high for long.
    private func reportQueue(_ index: Int, _ now: MonotonicTime) {
        let waiting = queues.all[index].waiting
        metrics.queue(waiting, queues.all[index].limits, thread: index)
        metrics.held(
            slots.count { $0.worker == index && $0.tenure != nil }, thread: index)
        if workers[index].droppedUnreported > 0, now >= workers[index].droppedReportedAt {
            context.telemetry.emit(
                .queueDropped(thread: index, ticks: workers[index].droppedUnreported))
            workers[index].droppedUnreported = 0
            workers[index].droppedReportedAt = now + Self.droppedNanoseconds
        }
        guard let since = waiting.highSince else {
            if workers[index].isHighReported {
                context.telemetry.emit(.queueLow(thread: index, rows: waiting.rows))
            }
            workers[index].isHighReported = false
            return
        }
        guard !workers[index].isHighReported, now >= since + Self.highNanoseconds else { return }
        workers[index].isHighReported = true
        context.telemetry.emit(
            .queueHigh(
                thread: index, rows: waiting.rows, capacity: queues.all[index].limits.rows,
                policy: queues.settings.overflow))
    }
}
