internal import Primitives

/// Requests for contracts and documents.
extension SimulatorSession {
    /// The most headlines in one answer.
    private static let headlinesMax = 300
    /// The seconds that a request for headlines covers at most.
    private static let headlineSecondsMax: Int64 = 86_400

    mutating func handleKnowledge(_ request: ClientRequest, _ world: World) {
        switch request {
        case .contractDetails(let id, let contract): sendDetails(id, contract, world)
        case .optionChain(let id, let symbol, let conID):
            sendChain(id, symbol, conID, world)
        case .matchingSymbols(let id, let pattern):
            let found = world.market.instruments.filter {
                $0.securityType == "STK" && $0.symbol.hasPrefix(pattern.uppercased())
            }
            send(writer.symbolSamples(id, Array(found.prefix(16))))
        case .depthExchanges: send(writer.depthExchanges())
        case .smartComponents(let id, _): send(writer.smartComponents(id))
        case .newsProviders: send(writer.newsProviders())
        case .newsArticle(let id, let provider, let article):
            send(
                writer.newsArticle(
                    id, text: "<p>\(provider): all of \(article) is made up.</p>"))
        case .historicalNews(let wanted): sendHeadlines(wanted, world)
        case .fundamentalData(let id, let contract, let report):
            guard let index = find(contract, id, world) else { return }
            guard ["ReportSnapshot", "ReportsFinSummary", "RESC"].contains(report) else {
                refuse(id, 430, "No fundamental data: report '\(report.prefix(30))'")
                return
            }
            let symbol = world.market.instruments[index].symbol
            send(
                writer.fundamentalData(
                    id, xml: "<?xml version=\"1.0\"?><\(report)><Name>\(symbol)</Name></\(report)>"
                ), of: index)
        case .cancelFundamentalData: break
        case .marketRule(let id):
            send(
                writer.marketRule(
                    id: id,
                    [(edge: "0", increment: "0.0001"), (edge: "1", increment: "0.01")]))
        default: refuse(request.id, 321, "Error validating request")
        }
    }

    private mutating func sendDetails(
        _ id: Int32, _ contract: RequestedContract, _ world: World
    ) {
        let found = world.market.instruments.indices.filter {
            world.market.instruments[$0].matches(contract)
        }
        guard !found.isEmpty else {
            refuse(id, 200, "No security definition has been found for the request")
            return
        }
        for index in found {
            send(
                writer.contractDetails(
                    id, world.market.instruments[index], tradingHours: Self.hours(world.second)),
                of: index)
        }
        send(writer.contractDetailsEnd(id))
    }

    /// Returns trading hours that are always open: today and the next five days.
    private static func hours(_ second: Int64) -> String {
        (0..<6).map { day in
            let date = MarketTime.date(second + Int64(day) * MarketTime.secondsPerDay)
            return "\(date):0000-\(date):2359"
        }.joined(separator: ";")
    }

    private mutating func sendChain(
        _ id: Int32, _ symbol: String, _ conID: Int32, _ world: World
    ) {
        let stock = world.market.instruments.first {
            $0.conID == conID && $0.symbol == symbol
        }
        guard let stock else {
            refuse(id, 200, "No security definition has been found for the request")
            return
        }
        send(
            writer.optionChain(
                id,
                MessageWriter.OptionChain(
                    underlyingConID: stock.conID, tradingClass: stock.symbol,
                    expiries: ["20281215", "20290119"], strikes: ["495", "500", "502.5"])))
        send(writer.optionChainEnd(id))
    }

    private mutating func sendHeadlines(_ wanted: NewsRequest, _ world: World) {
        let index = world.market.instruments.firstIndex { $0.conID == wanted.conID }
        let end = wanted.end.isEmpty ? world.second : MarketTime.parse(wanted.end)
        guard let index, let end else {
            refuse(wanted.id, 321, "Error validating request: contract or time")
            return
        }
        let start = wanted.start.isEmpty ? nil : MarketTime.parse(wanted.start)
        let first = max(start ?? Int64.min, end - Self.headlineSecondsMax)
        let countMax = min(max(Int(wanted.count), 1), Self.headlinesMax)
        var count = 0
        var hasMore = false
        for second in stride(from: end, through: max(first, world.market.firstSecond), by: -1) {
            guard let item = world.market.news(of: index, in: second),
                wanted.providers.contains(item.provider)
            else { continue }
            if count == countMax {
                hasMore = true
                break
            }
            count += 1
            send(
                writer.historicalNews(wanted.id, time: MarketTime.newsTime(second), item),
                of: index)
        }
        send(writer.historicalNewsEnd(wanted.id, hasMore: hasMore))
    }
}
