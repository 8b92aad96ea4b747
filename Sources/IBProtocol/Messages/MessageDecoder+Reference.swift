internal import MarketModel
internal import Primitives

// The connection, and what is asked for once.
extension MessageDecoder {
    static func notice(_ fields: inout FieldCursor, version: Int) -> IBMessage {
        fields.skip()
        var notice = IBNotice(
            request: fields.number(), code: fields.number(), text: fields.escapedText())
        // Servers that were patched leave it out now and then; nothing else depends on it.
        if version >= 166, fields.remaining > 0 { notice.detail = fields.text() }
        return .notice(notice)
    }

    static func nextValidID(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .nextValidID(fields.number())
    }

    static func managedAccounts(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .managedAccounts(list(fields.text()))
    }

    static func currentTime(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        let time = fields.seconds()
        if !time.isDefined { fields.fail(.notATime) }
        return .currentTime(time)
    }

    static func snapshotEnd(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .snapshotEnd(request: fields.number())
    }

    static func marketDataType(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        let request = fields.number()
        let mode = FeedMode(rawValue: fields.mask()) ?? .unknown
        return .marketDataType(request: request, (1...4).contains(mode.rawValue) ? mode : .unknown)
    }

    static func tickRequestParameters(_ fields: inout FieldCursor) -> IBMessage {
        .tickRequestParameters(
            TickRequestParameters(
                request: fields.number(), minTick: fields.price(), bboExchange: fields.text(),
                snapshotPermissions: fields.optionalInteger()))
    }

    static func tickExchangeForPhysical(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .tickExchangeForPhysical(
            TickExchangeForPhysical(
                request: fields.number(), type: fields.number(), basisPoints: fields.ratio(),
                formattedBasisPoints: fields.text(), impliedFuturesPrice: fields.average(),
                holdDays: fields.optionalInteger(), futureLastTradeDate: fields.text(),
                dividendImpact: fields.ratio(), dividendsToLastTradeDate: fields.ratio()))
    }

    static func reroute(_ fields: inout FieldCursor) -> Reroute {
        Reroute(request: fields.number(), contract: fields.number(), exchange: fields.text())
    }

    static func optionParameters(_ fields: inout FieldCursor) -> IBMessage {
        var parameters = OptionParameters(
            request: fields.number(), exchange: fields.text(), underlying: fields.number(),
            tradingClass: fields.text(), multiplier: fields.text(), expirations: [], strikes: [])
        for _ in 0..<fields.count(fields: 1) { parameters.expirations.append(fields.text()) }
        for _ in 0..<fields.count(fields: 1) { parameters.strikes.append(fields.price()) }
        return .optionParameters(parameters)
    }

    static func symbolSamples(_ fields: inout FieldCursor, version: Int) -> IBMessage {
        var answer = SymbolSamples(request: fields.number(), samples: [])
        for _ in 0..<fields.count(fields: 6) {
            var contract = Contract()
            contract.id = fields.number()
            contract.symbol = fields.text()
            contract.kind = SecurityKind(fields.text())
            contract.primaryExchange = fields.text()
            contract.currency = fields.text()
            var sample = SymbolSamples.Sample(
                contract: contract, derivatives: [], description: "", issuer: "")
            for _ in 0..<fields.count(fields: 1) {
                sample.derivatives.append(SecurityKind(fields.text()))
            }
            if version >= 176 {
                sample.description = fields.text()
                sample.issuer = fields.text()
            }
            answer.samples.append(sample)
        }
        return .symbolSamples(answer)
    }

    static func depthExchanges(_ fields: inout FieldCursor) -> IBMessage {
        var exchanges: [DepthExchange] = []
        for _ in 0..<fields.count(fields: 5) {
            exchanges.append(
                DepthExchange(
                    exchange: fields.text(), kind: SecurityKind(fields.text()),
                    listingExchange: fields.text(), serviceDataType: fields.text(),
                    aggregationGroup: fields.optionalInteger()))
        }
        return .depthExchanges(exchanges)
    }

    static func smartComponents(_ fields: inout FieldCursor) -> IBMessage {
        var answer = SmartComponents(request: fields.number(), components: [])
        for _ in 0..<fields.count(fields: 3) {
            answer.components.append(
                SmartComponents.Component(
                    bit: fields.number(), exchange: fields.text(), letter: fields.text()))
        }
        return .smartComponents(answer)
    }

    static func marketRule(_ fields: inout FieldCursor) -> IBMessage {
        var rule = MarketRule(id: fields.number(), increments: [])
        for _ in 0..<fields.count(fields: 2) {
            rule.increments.append(
                MarketRule.Increment(from: fields.price(), increment: fields.price()))
        }
        return .marketRule(rule)
    }

    static func list(_ text: String) -> [String] {
        text.split(separator: ",").map(String.init)
    }
}

// News and documents.
extension MessageDecoder {
    static func news(_ fields: inout FieldCursor) -> IBMessage {
        .news(
            TickNews(
                request: fields.number(), time: fields.milliseconds(), provider: fields.text(),
                article: fields.text(), headline: fields.text(), extra: fields.text()))
    }

    static func bulletin(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .bulletin(
            BulletinMessage(
                id: fields.number(), kind: BulletinKind(rawValue: fields.mask()) ?? .unknown,
                text: fields.text(), exchange: fields.text()))
    }

    static func newsProviders(_ fields: inout FieldCursor) -> IBMessage {
        var providers: [NewsProvider] = []
        for _ in 0..<fields.count(fields: 2) {
            providers.append(NewsProvider(code: fields.text(), name: fields.text()))
        }
        return .newsProviders(providers)
    }

    static func newsArticle(_ fields: inout FieldCursor) -> IBMessage {
        let request = fields.number()
        let kind = fields.number()
        return .newsArticle(
            NewsArticle(request: request, isBinary: kind == 1, content: fields.bytesOfText()))
    }

    static func historicalNews(_ fields: inout FieldCursor) -> IBMessage {
        .historicalNews(
            HistoricalHeadline(
                request: fields.number(), time: fields.providerTime(), provider: fields.text(),
                article: fields.text(), headline: fields.text()))
    }

    static func fundamentals(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .fundamentals(
            FundamentalDocument(request: fields.number(), content: fields.bytesOfText()))
    }
}
