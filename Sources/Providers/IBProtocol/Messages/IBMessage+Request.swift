internal import Primitives

extension IBMessage {
    /// The request that this message answers; `nil` for messages that belong to no request. A
    /// notice about the complete connection has the number -1.
    package var request: Int32? {
        switch self {
        case .tickPrice(let tick): tick.request
        case .tickSize(let tick): tick.request
        case .tickGeneric(let tick): tick.request
        case .tickExchange(let tick): tick.request
        case .tickTime(let tick): tick.request
        case .realTimeVolume(let tick): tick.request
        case .tickOption(let tick): tick.request
        case .depth(let row): row.request
        case .realTimeBar(let bar): bar.request
        case .tickByTickTrade(let request, _, _), .tickByTickQuote(let request, _),
            .tickByTickMidpoint(let request, _),
            .marketDataType(let request, _), .contractDetailsEnd(let request),
            .historicalNewsEnd(let request, _):
            request
        case .tickString(let tick): tick.request
        case .tickRequestParameters(let parameters): parameters.request
        case .rerouteMarketData(let reroute), .rerouteDepth(let reroute): reroute.request
        case .historicalBars(let bars): bars.request
        case .historicalMidpoints(let ticks): ticks.request
        case .historicalQuotes(let ticks): ticks.request
        case .historicalTrades(let ticks): ticks.request
        case .headTimestamp(let head): head.request
        case .contractDetails(let details): details.request
        case .news(let news): news.request
        case .historicalNews(let headline): headline.request
        case .fundamentals(let document): document.request
        case .notice(let notice): notice.request
        case .bulletin, .newsProviders, .nextValidID, .managedAccounts, .currentTime: nil
        }
    }
}

extension MessageDecoder {
    /// Returns the request's number in a message that `decode` skipped, so that the request can be
    /// ended with the reason that its answer cannot be read. Returns `nil` when the number itself
    /// is damaged, or the message has none.
    package func request(of frame: RawSpan) -> Int32? {
        var fields = FieldCursor(frame)
        let number = fields.number()
        guard fields.fault == nil, let id = MessageID(rawValue: number) else { return nil }
        switch id.beforeRequest {
        case .nothing: break
        case .version: fields.skip()
        case .versionBefore164: if version < 164 { fields.skip() }
        case .noRequest: return nil
        }
        let request = fields.number()
        return fields.fault == nil ? request : nil
    }
}
