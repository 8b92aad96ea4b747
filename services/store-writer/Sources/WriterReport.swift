import MarketModel
import Primitives
import Synchronization
import TapeCodec

/// What the writer's threads last said of their partitions, for the operations port's thread.
final class WriterReport: Sendable {
    struct Line: Sendable {
        let input: SinkInput
        let partition: Partition
        let stored: SinkPosition?
        let problem: String?

        init(_ input: WriterInput, problem: String?) {
            self.input = input.place.input
            partition = input.place.partition
            stored = input.stored
            self.problem = problem
        }
    }

    private let lines = Mutex<[Int: [Line]]>([:])

    func update(thread: Int, _ present: [Line]) { lines.withLock { $0[thread] = present } }

    func write(into json: inout JSONWriter) {
        let present = lines.withLock { $0.values.flatMap { $0 } }
            .sorted { ($0.partition, $0.input.rawValue) < ($1.partition, $1.input.rawValue) }
        json.member(
            "positions",
            array: { json in for line in present { write(line, into: &json) } })
    }

    private func write(_ line: Line, into json: inout JSONWriter) {
        json.object { json in
            json.member("input", line.input.rawValue)
            json.member("partition", line.partition.number)
            json.key("problem")
            if let problem = line.problem { json.value(problem) } else { json.null() }
            json.member("owner_epoch", line.stored?.ownerEpoch ?? 0)
            json.member("sequence", line.stored?.position?.sequence ?? 0)
            json.member(
                "sources",
                array: { json in
                    for source in line.stored?.sources ?? [] {
                        json.object { json in
                            json.member("source", source.source.text)
                            json.member("last_ordinal", source.lastOrdinal)
                            json.member("written", source.written)
                            json.member("skipped", source.skipped)
                            json.member("dead_lettered", source.deadLettered)
                        }
                    }
                })
        }
    }
}
