import MarketModel
import ProviderKit
import ServiceRuntime

/// Which instruments there are, and which provider delivers each.
extension SourceTenure {
    func route() {
        let change = parts.newInstruments()
        if let change { supply.follow(change) }
        let switches = supply.look()
        if change != nil || !switches.isEmpty { parts.report.show(feeders: supply.feeders) }
        if let first = switches.first {
            parts.context.telemetry.emit(
                ProvidersSwitched(
                    source: parts.settings.source, symbol: first.symbol, from: first.from,
                    to: first.to, count: switches.count))
        }
        let unrouted = supply.unrouted
        if unrouted > unroutedTold {
            parts.metrics.unrouted.add(unrouted - unroutedTold)
            unroutedTold = unrouted
        }
    }
}

/// Instruments go from one provider to another.
struct ProvidersSwitched: TelemetryEvent {
    static let name = "gateway.provider_switched"
    let source: SourceName
    /// The first of them.
    let symbol: Symbol
    let from: String
    let to: String
    let count: Int

    var level: LogLevel { .warning }
    var message: String {
        let more = count > 1 ? " (and \(count - 1) more instruments change)" : ""
        return "\(symbol) is taken from \(to) now, and no more from \(from)\(more)"
    }
    var fields: [(String, LogValue)] {
        [
            ("source", .text(source.text)), ("provider", .text(to)),
            ("instruments", .integer(Int64(count))),
        ]
    }

    func count(in metrics: MetricRegistry) {
        metrics.counter(
            "mds_gateway_provider_switches_total",
            "How often an instrument went from one provider to another.",
            labels: [("source", source.text)]
        ).add(UInt64(count))
    }
}
