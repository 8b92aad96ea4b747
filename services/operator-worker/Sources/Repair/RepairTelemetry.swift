import MarketModel
import Primitives
import Telemetry

struct RepairDone: TelemetryEvent {
    static let name = "operator.repair.done"
    let partition: Partition
    let ranges: Int
    /// Versions of bars that came of it.
    let bars: Int
    /// Each of them counts once, even when there were two passes.
    let packets: UInt64
    let nanoseconds: Int64

    var level: LogLevel { .info }
    var message: String { "bars were computed again from the tape" }
    var fields: [(String, LogValue)] {
        [
            ("partition", .integer(Int64(partition.number))), ("ranges", .integer(Int64(ranges))),
            ("bars", .integer(Int64(bars))), ("packets", .unsigned(packets)),
            ("seconds", .real(Double(nanoseconds) / 1e9)),
        ]
    }

    func count(in metrics: MetricRegistry) { metrics.repairs("done").add() }
}

struct RepairRefused: TelemetryEvent {
    static let name = "operator.repair.refused"
    let partition: Partition
    /// The first one's.
    let symbol: String
    let from: Timestamp
    let to: Timestamp
    let ranges: Int
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "bars cannot be computed again, the older versions stand: \(reason)" }
    var fields: [(String, LogValue)] {
        [
            ("partition", .integer(Int64(partition.number))), ("symbol", .text(symbol)),
            ("from", .text("\(from)")), ("to", .text("\(to)")),
            ("ranges", .integer(Int64(ranges))), ("reason", .text(reason)),
        ]
    }

    func count(in metrics: MetricRegistry) { metrics.repairs("refused").add() }
}

struct RepairDropped: TelemetryEvent {
    static let name = "operator.repair.dropped"
    let partition: Partition

    var level: LogLevel { .info }
    var message: String { "a repair was left to the partition's next owner" }
    var fields: [(String, LogValue)] { [("partition", .integer(Int64(partition.number)))] }

    func count(in metrics: MetricRegistry) { metrics.repairs("dropped").add() }
}

struct RepairDelayed: TelemetryEvent {
    static let name = "operator.repair.delayed"
    let partition: Partition
    let reason: String

    var level: LogLevel { .warning }
    var message: String { "the tape could not be asked how far it reaches back; trying again" }
    var fields: [(String, LogValue)] {
        [("partition", .integer(Int64(partition.number))), ("reason", .text(reason))]
    }

    func count(in metrics: MetricRegistry) {}
}

extension MetricRegistry {
    fileprivate func repairs(_ outcome: String) -> Counter {
        counter(
            "mds_operator_repairs_total",
            "Parts of a tape, of a day at most, that were to be read again to mend bars.",
            labels: [("outcome", outcome)])
    }
}
