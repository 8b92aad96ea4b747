import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

// What a thread says of its partitions.
extension WriterThread {
    private static let reportNanoseconds: Int64 = 100_000_000

    /// What the database holds, whatever becomes of the reader.
    private func told(_ input: WriterInput) -> ReaderPosition? {
        guard let stored = input.stored else { return nil }
        return ReaderPosition(
            partition: input.place.partition, input: input.place.input == .ticks ? .ticks : .bars,
            sequence: stored.position?.sequence ?? 0, durable: stored.position?.sequence ?? 0,
            sources: stored.sources.map { account in
                SourceOrdinal(
                    source: account.source,
                    epoch: stored.position?.source(account.source)?.epoch ?? 0,
                    lastOrdinal: account.lastOrdinal)
            }, proof: stored.position.map { ReaderPosition.Proof($0) })
    }

    /// How many positions are not proven yet.
    func tellReaders() {
        let count = inputs.indices.count {
            inputs[$0].isOpen && !readers.isReading($0) && readers.problem($0) == nil
        }
        context.readiness.set(
            "readers \(number)",
            count == 0 ? nil : "\(count) positions are being compared with the tape")
    }

    func tell() {
        let now = clock.monotonic().nanoseconds
        guard reportedAt == Int64.min || now >= reportedAt + Self.reportNanoseconds else { return }
        reportedAt = now
        var lines: [WriterReport.Line] = []
        for index in inputs.indices where inputs[index].stored != nil {
            let problem = readers.problem(index).map {
                "\($0) (see `tapeline position verify`; `accept` goes on)"
            }
            context.readiness.set(inputs[index].name, problem)
            lines.append(WriterReport.Line(inputs[index], problem: problem))
        }
        tellReaders()
        report.update(thread: number, lines)
        positions.tell(now: now) { inputs.compactMap(told) }
        metrics.queue(depth: mailbox.count + batch.items.count, thread: number)
        metrics.held(slots.count { $0.stage != .idle }, thread: number)
    }
}
