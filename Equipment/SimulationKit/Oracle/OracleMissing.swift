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

        init?(_ gap: GapRecord, _ scope: LoggedScope) {
            guard gap.state != GapState.filling.rawValue, let kind = DataKind(rawValue: gap.kind)
            else { return nil }
            self.scope = scope
            self.kind = kind
            from = gap.from.nanoseconds
            // A gap without an end is known up to its record.
            to = (gap.to.isDefined ? gap.to : gap.header.eventTime).nanoseconds
            isFilled = gap.state == GapState.filled.rawValue
        }

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
    /// The gaps of all symbols of a source, each with the number of definitions before it.
    private var ofAll: [(record: Record, source: SourceName, definitionsBefore: Int)] = []
    private var definitions = 0
    /// By symbol, the number of definitions before its first one, and the source that feeds it.
    private var defined: [SourceSymbol: (first: Int, source: SourceName)] = [:]

    mutating func note(_ record: Record) { records.append(record) }

    mutating func note(_ record: Record, ofAllOf source: SourceName) {
        ofAll.append((record, source, definitions))
    }

    mutating func define(_ definition: LoggedDefinition, _ source: SourceName) {
        let first = defined[definition.symbol]?.first ?? definitions
        defined[definition.symbol] = (first, source)
        definitions += 1
        let time = definition.since
        let last = starts.last { $0.symbol == definition.symbol }?.time ?? Int64.min
        guard time.isDefined, time.nanoseconds > last else { return }
        starts.append(
            Start(
                symbol: definition.symbol, time: time.nanoseconds, recordsBefore: records.count))
    }

    func hasGap(_ symbol: SourceSymbol, _ kind: DataKind, in window: OracleWindow) -> Bool {
        hasGap(records.filter { $0.isAbout(symbol, kind) }, in: window)
    }

    /// Returns whether a repair finds a gap in the window. It knows every symbol of the tape. So a
    /// gap of all symbols of a source is also one of symbols that the source first defines later.
    func hasGapInRepair(
        _ symbol: SourceSymbol, _ kind: DataKind, in window: OracleWindow
    ) -> Bool {
        guard let (first, source) = defined[symbol] else { return false }
        let before = ofAll.filter {
            $0.source == source && $0.definitionsBefore <= first && $0.record.isAbout(symbol, kind)
        }
        return hasGap(
            before.map(\.record) + records.filter { $0.isAbout(symbol, kind) }, in: window)
    }

    private func hasGap(_ about: [Record], in window: OracleWindow) -> Bool {
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
