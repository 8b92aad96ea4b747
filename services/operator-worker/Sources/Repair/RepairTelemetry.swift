import MarketModel
import OperatorGraph
import Primitives
import TapeProtocol
import ServiceRuntime

/// A repair of one day was done.
struct RepairDone {
    let partition: Partition
    /// The symbol of the first range.
    let symbol: String
    /// The beginning of the earliest range, and the end of the latest one.
    let from: Timestamp
    let to: Timestamp
    /// The number of ranges.
    let ranges: Int
    /// The packets that were read. Each counts once, even when there were two passes.
    let packets: UInt64
    let outcome: PartitionOperator.RepairResult
    /// How long it took.
    let nanoseconds: Int64

    /// The omissions, as counts with their names; `nil` when there are none.
    var leftOut: String? {
        guard !outcome.leftOut.isNone else { return nil }
        let parts = [
            ("windows", outcome.leftOut.windows), ("withdrawals", outcome.leftOut.withdrawals),
            ("changes", outcome.leftOut.changes), ("places", outcome.leftOut.unplaced),
            ("ticks", outcome.leftOut.unassigned),
        ]
        return parts.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
    }

    var event: ServiceEvent {
        ServiceEvent(
            leftOut == nil ? .info : .warning, "operator.repair.done",
            "bars were computed again from the tape" + (leftOut.map { ", without \($0)" } ?? ""),
            ("partition", .integer(Int64(partition.number))), ("symbol", .text(symbol)),
            ("from", .text("\(from)")), ("to", .text("\(to)")),
            ("ranges", .integer(Int64(ranges))), ("bars", .integer(Int64(outcome.bars))),
            ("ticks", .unsigned(outcome.ticks)), ("packets", .unsigned(packets)),
            ("seconds", .real(Double(nanoseconds) / 1e9))
        ) { [leftOut = outcome.leftOut] metrics in
            metrics.repairs("done").add()
            metrics.leftOut("windows").add(leftOut.windows)
            metrics.leftOut("withdrawals").add(leftOut.withdrawals)
            metrics.leftOut("changes").add(leftOut.changes)
            metrics.leftOut("places").add(leftOut.unplaced)
            metrics.leftOut("ticks").add(leftOut.unassigned)
        }
    }
}

extension ServiceEvent {
    /// Ranges were not computed again, for one reason.
    /// `symbol`: the symbol of the first range.
    /// `detail`: the reason in words, with what a person can do.
    static func repairRefused(
        partition: Partition, symbol: String, ranges: RefusedRanges, detail: String
    ) -> Self {
        Self(
            .warning, "operator.repair.refused",
            "bars cannot be computed again, the older versions stand: \(detail)",
            ("partition", .integer(Int64(partition.number))), ("symbol", .text(symbol)),
            ("from", .text("\(Timestamp(nanoseconds: ranges.from))")),
            ("to", .text("\(Timestamp(nanoseconds: ranges.to))")),
            ("ranges", .integer(Int64(ranges.count))), ("reason", .text(ranges.reason.name)),
            ("detail", .text(detail))
        ) { metrics in
            metrics.repairs("refused").add()
            metrics.counter(
                "mds_operator_repairs_refused_total",
                "a part of a tape that was not read again, or ranges of a packet that were refused "
                    + "immediately; the older versions remain, and `md.bars.<p>` has a value "
                    + "`repair.refused.<reason>`",
                "retention: keep more (`GATEWAY_KEEP`); missing, unreadable: check the tape; long: "
                    + "request shorter ranges",
                by: "reason: retention, missing, unreadable, bars, long, future, fetched",
                labels: [("reason", ranges.reason.name)]
            ).add()
        }
    }

    /// A repair ended unfinished, because its partition leaves this worker or begins again.
    static func repairDropped(partition: Partition) -> Self {
        Self(
            .info, "operator.repair.dropped", "a repair was left to the partition's next owner",
            ("partition", .integer(Int64(partition.number)))
        ) { $0.repairs("dropped").add() }
    }

    /// The tape could not be read. The repair begins again later.
    static func repairDelayed(partition: Partition, reason: String) -> Self {
        Self(
            .warning, "operator.repair.delayed",
            "the tape could not be read for a repair; trying again",
            ("partition", .integer(Int64(partition.number))), ("reason", .text(reason)))
    }
}

extension MetricRegistry {
    fileprivate func repairs(_ outcome: String) -> Counter {
        counter(
            "mds_operator_repairs_total",
            "a part of a tape, of a day at most, that should be read again to repair bars; "
                + "dropped: its partition was handed over, and the next owner does it",
            "refused: see `mds_operator_repairs_refused_total`",
            by: "outcome: done, refused, dropped",
            labels: [("outcome", outcome)])
    }

    fileprivate func leftOut(_ what: String) -> Counter {
        counter(
            "mds_operator_repair_left_out_total",
            "what a repair left unchanged because of a limit: windows (or symbols) for which "
                + "there was no room; bars that may have to be withdrawn, which could not be "
                + "decided; cancels and corrections without an id, or without room to note them; "
                + "ticks that were fetched later and are judged after the others because they "
                + "were too many; ticks of people that name no source, where it is not clear "
                + "which of several sources they belong to",
            "ask for shorter ranges with `tapeline repair`; changes: the provider sends no ids "
                + "of trades", by: "what: windows, withdrawals, changes, places, ticks",
            labels: [("what", what)])
    }
}
