import MarketModel
import ProviderKit
import ServiceRuntime
import TapeTransport

/// Reports that the instruments have changed: a list was read again, or the watchlist has changed.
struct InstrumentsTaken: TelemetryEvent {
    static let name = "gateway.instruments"
    let source: SourceName
    /// The number of instruments that are requested now.
    let wanted: Int
    let change: InstrumentRegistry.Change

    var level: LogLevel { change.refused.isEmpty ? .info : .error }
    var message: String {
        guard let first = change.refused.first else { return "the list of instruments holds" }
        return "\(change.refused.count) instruments, \(first) the first of them, are more than "
            + "this process has numbers for: start it anew"
    }
    var fields: [(String, LogValue)] {
        [
            ("source", .text(source.text)), ("instruments", .integer(Int64(wanted))),
            ("begun", .integer(Int64(change.begun.count))),
            ("ended", .integer(Int64(change.ended.count))),
            ("redefined", .integer(Int64(change.redefined.count))),
        ]
    }

    func count(in metrics: MetricRegistry) { InstrumentsRefused.reloads("taken", metrics, source) }
}

/// Reports that the list of instruments could not be read or is wrong.
struct InstrumentsRefused: TelemetryEvent {
    static let name = "gateway.instruments.refused"
    let source: SourceName
    let lines: [String]

    var level: LogLevel { .error }
    var message: String {
        let more = lines.count > 1 ? " (and \(lines.count - 1) more)" : ""
        return "the instruments stay as they were: \(lines.first ?? "")\(more)"
    }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }

    func count(in metrics: MetricRegistry) { Self.reloads("refused", metrics, source) }

    static func reloads(_ outcome: String, _ metrics: MetricRegistry, _ source: SourceName) {
        metrics.counter(
            "mds_gateway_instrument_reloads_total",
            "a time that the lists of instruments were read again",
            "refused: the log has the mistake in the list", by: "source; outcome: taken, refused",
            labels: [("source", source.text), ("outcome", outcome)]
        ).add()
    }
}

/// Reports a change of the watchlist that this gateway has read: who has added or removed what.
struct WatchlistChanged: TelemetryEvent {
    static let name = "gateway.watchlist"
    let source: SourceName
    let symbol: Symbol
    /// The new entry; `nil` when it was taken back.
    let entry: Watchlist.Entry?

    var level: LogLevel { .info }
    var message: String {
        guard let entry else { return "\(symbol) is as in the gateway's own list again" }
        return switch entry.change {
        case .added: "\(symbol) is added by \(entry.requester): \(entry.note)"
        case .removed: "\(symbol) is removed by \(entry.requester): \(entry.note)"
        }
    }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_gateway_watchlist_changes_total",
            "a change of the watchlist that this gateway has read",
            labels: [("source", source.text)]
        ).add()
    }
}

/// Reports that the watchlist cannot be read, or that a part of it does not hold.
struct WatchlistTrouble: TelemetryEvent {
    static let name = "gateway.watchlist.trouble"
    let source: SourceName
    let problem: String

    var level: LogLevel { .warning }
    var message: String { "the watchlist: \(problem)" }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }
}
