internal import MarketModel
internal import Primitives
internal import TapeCodec
internal import StreamCore

/// The missing data, as a person would look them up: for each moment, the last record about it.
struct OracleMissing {
    struct Record {
        let scope: LoggedScope
        let kind: DataKind
        let from: Int64
        let to: Int64
        let isFilled: Bool

        func isAbout(_ symbol: SourceSymbol, _ kind: DataKind) -> Bool {
            scope.holds(symbol)
                && (self.kind == .any || self.kind == kind)
        }
    }

    /// The start of a subscription.
    private struct Start {
        let symbol: SourceSymbol
        let time: Int64
        /// The number of records on the tape before it.
        let recordsBefore: Int
    }

    private var records: [Record] = []
    private var starts: [Start] = []

    mutating func note(_ record: Record) { records.append(record) }

    mutating func define(_ definition: LoggedDefinition) {
        let time = definition.since
        let last = starts.last { $0.symbol == definition.symbol }?.time ?? Int64.min
        guard time.isDefined, time.nanoseconds > last else { return }
        starts.append(
            Start(
                symbol: definition.symbol, time: time.nanoseconds, recordsBefore: records.count))
    }

    func hasGap(_ symbol: SourceSymbol, _ kind: DataKind, in window: OracleWindow) -> Bool {
        let about = records.filter { $0.isAbout(symbol, kind) }
        let edges = about.flatMap { [$0.from, $0.to] }
        let moments =
            [window.start] + edges.filter { window.start < $0 && $0 < window.end }
        return moments.contains { moment in
            let last = about.last { $0.from <= moment && moment < $0.to }
            return last.map { !$0.isFilled } ?? false
        }
    }

    /// Returns whether a subscription began inside the window, and the time before it was not
    /// filled later.
    func hasStart(_ symbol: SourceSymbol, _ kind: DataKind, in window: OracleWindow) -> Bool {
        starts.contains { start in
            start.symbol == symbol && window.start < start.time && start.time < window.end
                && !records[start.recordsBefore...].contains {
                    $0.isAbout(symbol, kind) && $0.isFilled && $0.from < start.time
                        && start.time <= $0.to
                }
        }
    }
}
