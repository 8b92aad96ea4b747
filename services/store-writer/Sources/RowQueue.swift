import MarketModel
import Primitives

/// The bounded queue between the intake and the workers. Each worker has a lane with an equal share
/// of the capacity. A full lane delays only the partitions of its own worker.
final class RowQueue: Sendable {
    struct Settings: Hashable, Sendable {
        var rows: Int
        var bytes: Int
        var overflow: OverflowPolicy
        var marks = RowMarks()
    }

    let settings: Settings
    let lanes: [WorkerLane]

    /// `onMark` is called on the thread that passes a mark, and must not block.
    init(_ settings: WriterSettings, onMark: @escaping WorkerLane.OnMark) {
        self.settings = settings.queue
        let limits = WorkerLane.Lane.Limits(
            rows: max(1, settings.queue.rows / settings.threads),
            bytes: max(1, settings.queue.bytes / settings.threads), marks: settings.queue.marks)
        lanes = (0..<settings.threads).map { number in
            WorkerLane(
                number, limits: limits, overflow: settings.queue.overflow,
                batchRows: settings.batchRows, onMark: onMark)
        }
    }

    func write(into json: inout JSONWriter) {
        json.member("policy", settings.overflow.rawValue)
        json.member("capacity_rows", settings.rows)
        json.member("capacity_bytes", settings.bytes)
        json.member(
            "lanes",
            array: { json in
                for lane in lanes {
                    let waiting = lane.waiting
                    json.object { json in
                        json.member("thread", lane.number)
                        json.member("rows", waiting.rows)
                        json.member("bytes", waiting.bytes)
                        json.member("capacity_rows", lane.limits.rows)
                        json.member("capacity_bytes", lane.limits.bytes)
                        json.member("high_rows", lane.limits.highRows)
                        json.member("low_rows", lane.limits.lowRows)
                        json.member("is_high", waiting.isHigh)
                    }
                }
            })
    }
}

/// Readers and inputs have the same numbers: those of partition p are 2p and 2p + 1.
enum InputNumber {
    static func of(_ place: SinkPlace) -> Int {
        place.partition.number * 2 + (place.input == .ticks ? 0 : 1)
    }

    static func place(_ number: Int) -> SinkPlace {
        SinkPlace(
            input: number.isMultiple(of: 2) ? .ticks : .bars, partition: Partition(number / 2))
    }

    static func both(of partition: Partition) -> [Int] {
        [partition.number * 2, partition.number * 2 + 1]
    }

    static func name(_ number: Int) -> String {
        let place = place(number)
        return "\(place.input) of partition \(place.partition)"
    }
}
