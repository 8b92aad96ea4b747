/// Reads requests as the server of one version expects them. It refuses a request with a missing or
/// an extra field, or with a field of another type.
struct RequestReader: Sendable {
    enum Fault: Error, Equatable, Sendable, CustomStringConvertible {
        case unknown(String)
        case missing(place: Int)
        case surplus(count: Int)
        case wrong(place: Int, wanted: String, found: String)

        var description: String {
            switch self {
            case .unknown(let id): "no request has the number '\(id)'"
            case .missing(let place): "field \(place) is missing"
            case .surplus(let count): "\(count) fields too many"
            case .wrong(let place, let wanted, let found):
                "field \(place) is no \(wanted): '\(found)'"
            }
        }
    }

    let serverVersion: Int32

    init(serverVersion: Int32) { self.serverVersion = serverVersion }

    func read(_ fields: [String]) throws(Fault) -> ClientRequest {
        var fields = RequestFields(fields)
        let number = try fields.text()
        var request = try streams(number, &fields)
        if request == nil { request = try past(number, &fields) }
        if request == nil { request = try knowledge(number, &fields) }
        guard let request else { throw .unknown(String(number.prefix(20))) }
        try fields.end()
        return request
    }

    // MARK: streams

    private func streams(
        _ number: String, _ fields: inout RequestFields
    ) throws(Fault) -> ClientRequest? {
        switch number {
        case "71":
            try fields.constant("2")
            return .startAPI(clientID: try fields.integer(), capabilities: try fields.text())
        case "1": return try marketData(&fields)
        case "2": return .cancelMarketData(try fields.versioned("2"))
        case "10":
            let id = try fields.versioned("5")
            let contract = try fields.contract()
            let rows = try fields.integer()
            let isSmart = try fields.flag()
            try fields.options()
            return .depth(id, contract, rows: rows, isSmart: isSmart)
        case "11":
            return .cancelDepth(try fields.versioned("1"), isSmart: try fields.flag())
        case "50":
            let id = try fields.versioned("3")
            let contract = try fields.contract()
            try fields.constant("5")
            let show = try fields.text()
            _ = try fields.flag()
            try fields.options()
            return .realTimeBars(id, contract, show: show)
        case "51": return .cancelRealTimeBars(try fields.versioned("1"))
        case "97":
            let id = try fields.integer()
            let contract = try fields.contract()
            let kind = try fields.choice(TickByTickKind.init(rawValue:), "kind of tick")
            let past = try fields.integer()
            _ = try fields.flag()
            return .tickByTick(id, contract, kind: kind, past: past)
        case "98": return .cancelTickByTick(try fields.integer())
        default: return try connection(number, &fields)
        }
    }

    private func connection(
        _ number: String, _ fields: inout RequestFields
    ) throws(Fault) -> ClientRequest? {
        switch number {
        case "12":
            try fields.constant("1")
            return .bulletins(all: try fields.flag())
        case "13":
            try fields.constant("1")
            return .cancelBulletins
        case "49":
            try fields.constant("1")
            return .currentTime
        case "59":
            try fields.constant("1")
            return .marketDataType(try fields.integer(in: 1...4))
        default: return nil
        }
    }

    private func marketData(_ fields: inout RequestFields) throws(Fault) -> ClientRequest {
        let id = try fields.versioned("11")
        let contract = try fields.contract()
        if contract.securityType == "BAG" { try fields.legs() }
        if try fields.flag() {
            _ = try fields.integer()
            _ = try fields.number()
            _ = try fields.number()
        }
        let generic = try fields.text().split(separator: ",").map(String.init)
        let isSnapshot = try fields.flag()
        _ = try fields.flag()
        try fields.options()
        return .marketData(
            MarketDataRequest(
                id: id, contract: contract, genericTicks: generic, isSnapshot: isSnapshot))
    }

    // MARK: the past

    private func past(
        _ number: String, _ fields: inout RequestFields
    ) throws(Fault) -> ClientRequest? {
        switch number {
        case "20": return try bars(&fields)
        case "25": return .cancelHistoricalData(try fields.versioned("1"))
        case "86":
            let request = NewsRequest(
                id: try fields.integer(), conID: try fields.integer(),
                providers: try fields.text().split(separator: "+").map(String.init),
                start: try fields.text(), end: try fields.text(), count: try fields.integer())
            try fields.options()
            return .historicalNews(request)
        case "87":
            let id = try fields.integer()
            let contract = try fields.contract()
            _ = try fields.flag()
            _ = try fields.flag()
            return .headTimestamp(
                id, contract, show: try fields.text(), format: try fields.integer(in: 1...2))
        case "90": return .cancelHeadTimestamp(try fields.integer())
        case "88":
            let id = try fields.integer()
            let contract = try fields.contract()
            _ = try fields.flag()
            _ = try fields.flag()
            return .histogram(id, contract, period: try fields.text())
        case "89": return .cancelHistogram(try fields.integer())
        case "96":
            let id = try fields.integer()
            let contract = try fields.contract()
            _ = try fields.flag()
            let start = try fields.text()
            let end = try fields.text()
            let count = try fields.integer(in: 0...1_000)
            let show = try fields.text()
            _ = try fields.flag()
            _ = try fields.flag()
            try fields.options()
            return .historicalTicks(
                TicksRequest(
                    id: id, contract: contract, start: start, end: end, show: show, count: count))
        default: return nil
        }
    }

    private func bars(_ fields: inout RequestFields) throws(Fault) -> ClientRequest {
        let id = try fields.integer()
        let contract = try fields.contract()
        _ = try fields.flag()
        let end = try fields.text()
        let barSize = try fields.text()
        let duration = try fields.text()
        _ = try fields.flag()
        let show = try fields.text()
        let format = try fields.integer(in: 1...2)
        if contract.securityType == "BAG" { try fields.legs() }
        let keeps = try fields.flag()
        try fields.options()
        return .historicalData(
            BarsRequest(
                id: id, contract: contract, end: end, barSize: barSize, duration: duration,
                show: show, format: format, keepsUpToDate: keeps))
    }

    // MARK: what is known

    private func knowledge(
        _ number: String, _ fields: inout RequestFields
    ) throws(Fault) -> ClientRequest? {
        switch number {
        case "9":
            let id = try fields.versioned("8")
            let contract = try fields.contract()
            _ = try fields.flag()
            _ = try fields.text()
            _ = try fields.text()
            if serverVersion >= 176 { _ = try fields.text() }
            return .contractDetails(id, contract)
        case "52": return try fundamentals(&fields)
        case "53": return .cancelFundamentalData(try fields.versioned("1"))
        case "78":
            let id = try fields.integer()
            let symbol = try fields.text()
            _ = try fields.text()
            _ = try fields.text()
            return .optionChain(id, symbol: symbol, conID: try fields.integer())
        case "81":
            return .matchingSymbols(try fields.integer(), pattern: try fields.text())
        case "82": return .depthExchanges
        case "83": return .smartComponents(try fields.integer(), key: try fields.text())
        case "84":
            let id = try fields.integer()
            let provider = try fields.text()
            let article = try fields.text()
            try fields.options()
            return .newsArticle(id, provider: provider, article: article)
        case "85": return .newsProviders
        case "91": return .marketRule(try fields.integer())
        default: return nil
        }
    }

    private func fundamentals(_ fields: inout RequestFields) throws(Fault) -> ClientRequest {
        let id = try fields.versioned("2")
        var contract = RequestedContract()
        contract.conID = try fields.integer()
        contract.symbol = try fields.text()
        contract.securityType = try fields.text()
        contract.exchange = try fields.text()
        contract.primaryExchange = try fields.text()
        contract.currency = try fields.text()
        contract.localSymbol = try fields.text()
        let report = try fields.text()
        _ = try fields.integer(in: 0...100)
        try fields.options()
        return .fundamentalData(id, contract, report: report)
    }
}
