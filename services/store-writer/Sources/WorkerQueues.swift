import MarketModel
import Primitives
import StoreSinks

/// The bounded queues between the intake and the workers. Each worker has a queue with an equal
/// share of the capacity. A full queue delays only the partitions of its own worker.
final class WorkerQueues: Sendable {
    struct Settings: Hashable, Sendable {
        /// The maximum of rows in all queues together.
        var rows: Int
        /// The maximum of bytes in all queues together.
        var bytes: Int
        /// What happens to a packet without room.
        var overflow: OverflowPolicy
        /// When readers are held, and when they are released.
        var marks = RowMarks()
    }

    let settings: Settings
    /// When the positions that the workers commit count as durable.
    let durability: DurabilityRule
    /// The tables that are switched on.
    let sinks: SinkCatalogue
    /// The queues by the number of their worker.
    let all: [WorkerQueue]

    /// `onMark` is called on the thread that passes a mark, and must not block.
    init(_ settings: WriterSettings, onMark: @escaping WorkerQueue.OnMark) {
        self.settings = settings.queue
        sinks = settings.sinks
        durability = settings.durability
        let limits = WorkerQueue.Packets.Limits(
            rows: max(1, settings.queue.rows / settings.threads),
            bytes: max(1, settings.queue.bytes / settings.threads),
            inputs: 2 * settings.partitions, marks: settings.queue.marks)
        all = (0..<settings.threads).map { number in
            WorkerQueue(
                number, limits: limits, partitions: settings.partitions,
                overflow: settings.queue.overflow, batchRows: settings.batches.rows, onMark: onMark)
        }
    }

    /// Writes the queues' part of the status page.
    func write(into json: inout JSONWriter) {
        json.member("policy", settings.overflow.rawValue)
        json.member("capacity_rows", settings.rows)
        json.member("capacity_bytes", settings.bytes)
        json.member("lanes", each: all) { queue, json in
            let waiting = queue.waiting
            json.member("thread", queue.number)
            json.member("rows", waiting.rows)
            json.member("bytes", waiting.bytes)
            json.member("capacity_rows", queue.limits.rows)
            json.member("capacity_bytes", queue.limits.bytes)
            json.member("high_rows", queue.limits.highRows)
            json.member("low_rows", queue.limits.lowRows)
            json.member("is_high", waiting.isHigh)
        }
    }
}

/// The numbers of inputs, which are also those of their readers: partition p has 2p for its ticks
/// and 2p + 1 for its bars.
enum InputNumber {
    /// Returns the number of an input.
    static func of(_ place: SinkPlace) -> Int {
        place.partition.number * 2 + (place.input == .ticks ? 0 : 1)
    }

    /// Returns the input with this number.
    static func place(_ number: Int) -> SinkPlace {
        SinkPlace(
            input: number.isMultiple(of: 2) ? .ticks : .bars, partition: Partition(number / 2))
    }

    /// Returns the numbers of a partition's ticks and bars.
    static func both(of partition: Partition) -> [Int] {
        [partition.number * 2, partition.number * 2 + 1]
    }

    /// Returns the name of an input for messages and the readiness report.
    static func name(_ number: Int) -> String {
        let place = place(number)
        return "\(place.input) of partition \(place.partition)"
    }
}
