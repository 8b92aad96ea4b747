internal import Primitives

/// Historical ticks.
extension SimulatorSession {
    /// The most ticks in one message. Further ones follow in other messages.
    private static let ticksPerMessage = 400

    mutating func requestTicks(_ wanted: TicksRequest, _ world: World) {
        let id = wanted.id
        guard let index = find(wanted.contract, id, world) else { return }
        guard !world.conditions.isHistoryFarmDown, !world.conditions.isServerLost else {
            refuse(id, 10187, "Failed to request historical ticks: HMDS connection is not there")
            return
        }
        guard world.conditions.permissions[index] == .live else {
            refuse(id, 10187, "Failed to request historical ticks: no market data permissions")
            return
        }
        guard ["TRADES", "BID_ASK", "MIDPOINT"].contains(wanted.show),
            !wanted.start.isEmpty || !wanted.end.isEmpty
        else {
            refuse(id, 321, "Error validating request: kind of ticks, or neither start nor end")
            return
        }
        let isPaced = isPaced(
            id, index, [wanted.show, wanted.start, wanted.end, String(wanted.count)], world)
        guard isPaced else { return }
        sendTicks(wanted, index, world)
    }

    mutating func sendTicks(_ wanted: TicksRequest, _ index: Int, _ world: World) {
        let start = wanted.start.isEmpty ? nil : MarketTime.parse(wanted.start)
        let end = wanted.end.isEmpty ? nil : MarketTime.parse(wanted.end)
        guard wanted.start.isEmpty == (start == nil), wanted.end.isEmpty == (end == nil) else {
            refuse(wanted.id, 321, "Error validating request: start or end is no time in UTC")
            return
        }
        let showsTrades = wanted.show == "TRADES"
        do throws(MarketHistory.TooMuch) {
            let events = try world.history(writer.serverVersion).ticks(
                of: index, from: start, until: end, count: Int(wanted.count)
            ) { event in
                switch event.kind {
                case .trade: showsTrades
                case .quote: !showsTrades
                case .book: false
                }
            }
            send(events, wanted, index, world)
        } catch {
            refuse(
                wanted.id, 10187,
                "Failed to request historical ticks: the simulator does not look back so far")
        }
    }

    private mutating func send(
        _ events: [MarketEvent], _ wanted: TicksRequest, _ index: Int, _ world: World
    ) {
        var rest = events[...]
        repeat {
            let part = Array(rest.prefix(Self.ticksPerMessage))
            rest = rest.dropFirst(part.count)
            send(
                message(part, wanted, world.market.instruments[index], isLast: rest.isEmpty),
                of: index)
        } while !rest.isEmpty
    }

    private func message(
        _ events: [MarketEvent], _ wanted: TicksRequest, _ instrument: SimulatedInstrument,
        isLast: Bool
    ) -> ServerMessage {
        let version = writer.serverVersion
        switch wanted.show {
        case "TRADES":
            return writer.historicalTrades(
                wanted.id,
                events.compactMap { event in
                    guard case .trade(let trade) = event.kind else { return nil }
                    return (
                        event.second, instrument.texts(trade, version: version, isPast: true)
                    )
                }, isLast: isLast)
        case "BID_ASK":
            return writer.historicalQuotes(
                wanted.id,
                events.compactMap { event in
                    guard case .quote(let quote) = event.kind else { return nil }
                    var past = MessageWriter.PastQuote(
                        second: event.second,
                        quote: instrument.texts(quote, version: version, isPast: true))
                    past.isPastLow = quote.isPastLow
                    past.isPastHigh = quote.isPastHigh
                    return past
                }, isLast: isLast)
        default:
            return writer.historicalMidpoints(
                wanted.id,
                events.compactMap { event in
                    guard case .quote(let quote) = event.kind else { return nil }
                    return (event.second, instrument.halfPriceText(quote.bid + quote.ask))
                }, isLast: isLast)
        }
    }
}
