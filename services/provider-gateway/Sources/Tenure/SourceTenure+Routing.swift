import MarketModel
import ProviderKit
import ServiceRuntime

/// Changes of the instruments, and of the providers that deliver them: the feeders.
extension SourceTenure {
    /// Follows changes of the list of instruments, lets the router switch instruments between
    /// providers, and reports both. It is part of the periodic work.
    func route() {
        let change = parts.newInstruments()
        if let change { inflow.ticks.follow(change) }
        for number in change?.ended ?? [] { inflow.repeats.lose(Int(number)) }
        for number in (change?.redefined ?? []) + (change?.begun ?? [])
        where number < outflow.lanes.places.count {
            outflow.lanes.setLot(inflow.ticks.lot(Int(number)), Int(number))
        }
        followLots()
        let switches = inflow.ticks.switchProviders()
        if change != nil || !switches.isEmpty { parts.report.show(feeders: inflow.ticks.feeders) }
        if let first = switches.first {
            parts.context.telemetry.emit(
                .providersSwitched(
                    source: parts.settings.source, symbol: first.symbol, from: first.from,
                    to: first.to, count: switches.count))
        }
        let unrouted = inflow.ticks.unrouted
        if unrouted > inflow.unroutedCounted {
            parts.metrics.unrouted.add(unrouted - inflow.unroutedCounted)
            inflow.unroutedCounted = unrouted
        }
    }

    /// Follows changes of round lots in the source of delayed data. The lists are read by the
    /// source of live data, and the registry is that of both.
    private func followLots() {
        guard parts.settings.source.isDelayed, parts.instruments == nil else { return }
        let changes = parts.settings.delivery.registry.lotChanges
        guard changes != inflow.lotChanges else { return }
        inflow.lotChanges = changes
        for number in outflow.lanes.places.indices {
            outflow.lanes.setLot(inflow.ticks.lot(number), number)
        }
    }
}

extension ServiceEvent {
    /// Reports that `count` instruments, the first of them `symbol`, were switched from one
    /// provider to another.
    static func providersSwitched(
        source: SourceName, symbol: Symbol, from: String, to: String, count: Int
    ) -> Self {
        let more = count > 1 ? " (and \(count - 1) more instruments change)" : ""
        return Self(
            .warning, "gateway.provider_switched",
            "\(symbol) is taken from \(to) now, and no more from \(from)\(more)",
            ("source", .text(source.text)), ("provider", .text(to)),
            ("instruments", .integer(Int64(count)))
        ) {
            $0.counter(
                "mds_gateway_provider_switches_total",
                "a change of an instrument from one provider of the source to another",
                "often: a provider comes and goes; the log names it",
                labels: [("source", source.text)]
            ).add(UInt64(count))
        }
    }
}
