import MarketModel
import OperatorGraph
import Primitives
import ServiceRuntime
import StreamCore
import TapeProtocol

// How repairs are reported: an event each, counters, and a line in /status.
extension Worker {
    /// Reports the ranges that were refused without reading, and empties their list.
    func reportRefusedRanges(_ index: Int) {
        guard !(slots[index].core?.refused.isEmpty ?? true),
            let refused = slots[index].core?.refused
        else { return }
        slots[index].core?.refused = []
        for ranges in refused {
            let detail =
                ranges.reason == .long
                ? "it is longer than \(RepairAgenda.daysMax) days: ask for parts of it"
                : "it lies in the future: ask again when it has passed"
            reportRefused(index, ranges, detail)
        }
    }

    /// Reports ranges that were refused. `detail` is the reason in words.
    func reportRefused(_ index: Int, _ ranges: RefusedRanges, _ detail: String) {
        context.telemetry.emit(
            .repairRefused(
                partition: slots[index].partition, symbol: symbol(index, ranges.symbol),
                ranges: ranges, detail: detail))
        slots[index].repairs.last = "refused: \(detail)"
    }

    /// Reports a day's repair that was done.
    func reportDone(
        _ index: Int, _ reading: RepairReading, _ outcome: PartitionOperator.RepairResult,
        nanoseconds: Int64
    ) {
        let ranges = reading.part.ranges
        let done = RepairDone(
            partition: slots[index].partition, symbol: symbol(index, ranges.first?.symbol ?? 0),
            from: Timestamp(nanoseconds: ranges.map(\.from).min() ?? 0),
            to: Timestamp(nanoseconds: ranges.map(\.to).max() ?? 0), ranges: ranges.count,
            packets: reading.firstPass?.packets ?? 0, outcome: outcome, nanoseconds: nanoseconds)
        context.telemetry.emit(done.event)
        slots[index].repairs.omissions.add(outcome.leftOut)
        let left = done.leftOut.map { ", left out: \($0)" } ?? ""
        slots[index].repairs.last = "\(outcome.bars) versions of bars\(left)"
    }

    /// Returns the name for a machine's index of a symbol; empty when it has none.
    private func symbol(_ index: Int, _ symbol: UInt32) -> String {
        guard let symbols = slots[index].core?.machine.symbols, symbol < symbols.count else {
            return ""
        }
        return symbols.pair(at: symbol).description
    }
}
