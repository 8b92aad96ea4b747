internal import MarketModel
internal import Primitives

// Messages about the connection, and answers to single requests.
extension MessageDecoder {
    static func notice(_ fields: inout FieldCursor, version: Int) -> IBMessage {
        fields.skip()
        var notice = IBNotice(
            request: fields.number(), code: fields.number(), text: fields.escapedText())
        // Patched servers sometimes leave it out. Nothing else depends on it.
        if version >= 166, fields.remaining > 0 { notice.detail = fields.text() }
        return .notice(notice)
    }

    static func nextValidID(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .session(.nextValidID(fields.number()))
    }

    static func managedAccounts(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .session(.managedAccounts(list(fields.text())))
    }

    static func currentTime(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        let time = fields.seconds()
        if !time.isDefined { fields.fail(.notATime) }
        return .session(.currentTime(time))
    }

    static func marketDataType(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        let request = fields.number()
        let mode = FeedMode(rawValue: fields.mask()) ?? .unknown
        return .feed(.mode(request: request, (1...4).contains(mode.rawValue) ? mode : .unknown))
    }

    static func tickRequestParameters(_ fields: inout FieldCursor) -> IBMessage {
        let request = fields.number()
        fields.skip(3)
        return .feed(.parameters(request: request))
    }

    static func reroute(_ fields: inout FieldCursor) -> Reroute {
        Reroute(request: fields.number(), contract: fields.number(), exchange: fields.text())
    }

    static func list(_ text: String) -> [String] {
        text.split(separator: ",").map(String.init)
    }
}

// News and documents.
extension MessageDecoder {
    static func news(_ fields: inout FieldCursor) -> IBMessage {
        .feed(
            .news(
                TickNews(
                    request: fields.number(), time: fields.milliseconds(), provider: fields.text(),
                    article: fields.text(), headline: fields.text(), extra: fields.text())))
    }

    static func bulletin(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .session(
            .bulletin(
                BulletinMessage(
                    id: fields.number(), kind: BulletinKind(rawValue: fields.mask()) ?? .unknown,
                    text: fields.text(), exchange: fields.text())))
    }

    static func newsProviders(_ fields: inout FieldCursor) -> IBMessage {
        var providers: [NewsProvider] = []
        for _ in 0..<fields.count(fields: 2) {
            providers.append(NewsProvider(code: fields.text(), name: fields.text()))
        }
        return .session(.newsProviders(providers))
    }

    static func historicalNews(_ fields: inout FieldCursor) -> IBMessage {
        .feed(
            .headline(
                HistoricalHeadline(
                    request: fields.number(), time: fields.providerTime(), provider: fields.text(),
                    article: fields.text(), headline: fields.text())))
    }

    static func fundamentals(_ fields: inout FieldCursor) -> IBMessage {
        fields.skip()
        return .feed(
            .fundamentals(
                FundamentalDocument(request: fields.number(), content: fields.bytesOfText())))
    }
}
