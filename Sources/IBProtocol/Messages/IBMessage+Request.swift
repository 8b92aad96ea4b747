internal import Primitives

extension IBMessage {
    /// The request that this message answers; nil for those that concern nobody in particular.
    /// A notice about the whole connection has the number -1.
    public var request: Int32? {
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
            .tickByTickMidpoint(let request, _), .snapshotEnd(let request),
            .marketDataType(let request, _), .contractDetailsEnd(let request),
            .optionParametersEnd(let request), .historicalNewsEnd(let request, _):
            request
        default: rareRequest
        }
    }

    private var rareRequest: Int32? {
        switch self {
        case .tickString(let tick): tick.request
        case .tickExchangeForPhysical(let tick): tick.request
        case .tickRequestParameters(let parameters): parameters.request
        case .rerouteMarketData(let reroute), .rerouteDepth(let reroute): reroute.request
        case .historicalBars(let bars): bars.request
        case .historicalBarUpdate(let update): update.request
        case .historicalMidpoints(let ticks): ticks.request
        case .historicalQuotes(let ticks): ticks.request
        case .historicalTrades(let ticks): ticks.request
        case .headTimestamp(let head): head.request
        case .histogram(let histogram): histogram.request
        case .historicalSchedule(let schedule): schedule.request
        case .contractDetails(let details): details.request
        case .bondDetails(let bond): bond.details.request
        case .optionParameters(let parameters): parameters.request
        case .symbolSamples(let answer): answer.request
        case .smartComponents(let answer): answer.request
        case .news(let news): news.request
        case .newsArticle(let article): article.request
        case .historicalNews(let headline): headline.request
        case .fundamentals(let document): document.request
        case .notice(let notice): notice.request
        default: nil
        }
    }
}

extension MessageDecoder {
    /// The request's number in a message that `decode` skipped: whoever waits for its answer can be
    /// told that it came and cannot be read. nil when the number itself is damaged, or the message
    /// has none.
    public func request(of frame: RawSpan) -> Int32? {
        var fields = FieldCursor(frame)
        let id = fields.number()
        guard fields.fault == nil else { return nil }
        switch id {
        case 1, 2, 4, 12, 13, 45, 46, 47, 50, 51, 52, 57, 58: fields.skip()
        case 10, 18: if version < 164 { fields.skip() }
        case 17, 21, 75, 76, 79, 81...84, 86...92, 96...99, 106: break
        default: return nil
        }
        let request = fields.number()
        return fields.fault == nil ? request : nil
    }
}
