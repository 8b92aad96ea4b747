import MarketModel
import ProviderKit
import ServiceRuntime
import TapeTransport

extension ServiceEvent {
    /// Reports that the instruments have changed: a list was read again, or the watchlist has
    /// changed. `wanted` instruments are requested now.
    static func instrumentsTaken(
        source: SourceName, wanted: Int, change: InstrumentRegistry.Change
    ) -> Self {
        let refused = change.refused.first.map {
            "\(change.refused.count) instruments, \($0) the first of them, are more than "
                + "this process has numbers for: start it anew"
        }
        return Self(
            refused == nil ? .info : .error, "gateway.instruments",
            refused ?? "the list of instruments holds",
            ("source", .text(source.text)), ("instruments", .integer(Int64(wanted))),
            ("begun", .integer(Int64(change.begun.count))),
            ("ended", .integer(Int64(change.ended.count))),
            ("redefined", .integer(Int64(change.redefined.count)))
        ) { $0.countReload("taken", source) }
    }

    /// Reports that the list of instruments could not be read or is wrong.
    static func instrumentsRefused(source: SourceName, lines: [String]) -> Self {
        let more = lines.count > 1 ? " (and \(lines.count - 1) more)" : ""
        return Self(
            .error, "gateway.instruments.refused",
            "the instruments stay as they were: \(lines.first ?? "")\(more)",
            ("source", .text(source.text))
        ) { $0.countReload("refused", source) }
    }
}

extension MetricRegistry {
    fileprivate func countReload(_ outcome: String, _ source: SourceName) {
        counter(
            "mds_gateway_instrument_reloads_total",
            "a time that the lists of instruments were read again",
            "refused: the log has the mistake in the list", by: "source; outcome: taken, refused",
            labels: [("source", source.text), ("outcome", outcome)]
        ).add()
    }
}

extension ServiceEvent {
    /// Reports a change of the watchlist that this gateway has read: who has added or removed what.
    /// `entry` is `nil` when it was taken back.
    static func watchlistChanged(source: SourceName, symbol: Symbol, entry: Watchlist.Entry?)
        -> Self
    {
        let message =
            switch entry?.change {
            case nil: "\(symbol) is as in the gateway's own list again"
            case .added?: "\(symbol) is added by \(entry?.requester ?? ""): \(entry?.note ?? "")"
            case .removed?:
                "\(symbol) is removed by \(entry?.requester ?? ""): \(entry?.note ?? "")"
            }
        return Self(.info, "gateway.watchlist", message, ("source", .text(source.text))).counting(
            "mds_gateway_watchlist_changes_total",
            "a change of the watchlist that this gateway has read",
            labels: [("source", source.text)])
    }

    /// Reports that the watchlist cannot be read, or that a part of it does not hold.
    static func watchlistTrouble(source: SourceName, problem: String) -> Self {
        Self(
            .warning, "gateway.watchlist.trouble", "the watchlist: \(problem)",
            ("source", .text(source.text)))
    }
}
