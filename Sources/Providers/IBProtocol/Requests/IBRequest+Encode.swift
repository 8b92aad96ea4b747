internal import MarketModel

extension IBRequest {
    /// Returns the bytes for a server of this version, length first. Throws instead of writing
    /// something that a server could misread. The options of requests stay empty.
    package func encoded(version: Int) throws(RequestError) -> [UInt8] {
        var writer = RequestWriter()
        switch self {
        case .marketData, .cancelMarketData, .depth, .cancelDepth, .tickByTick, .cancelTickByTick,
            .realTimeBars, .cancelRealTimeBars:
            writeStream(&writer)
        case .history, .cancelHistory, .historyTicks, .headTimestamp, .cancelHeadTimestamp:
            writeHistory(&writer)
        case .contractDetails(let id, let contract, let includeExpired):
            writer.integers(9, 8, id)
            writer.contract(contract)
            writer.flag(includeExpired)
            // The kind and the value of another id, and an issuer.
            writer.empty(version >= 176 ? 3 : 2)
        case .bulletins, .newsProviders, .historicalNews, .fundamentals, .cancelFundamentals:
            writeNews(&writer)
        case .startAPI(let client):
            writer.integers(71, 2, client)
            // Capabilities.
            writer.empty()
        case .currentTime: writer.integers(49, 1)
        case .marketDataType(let type): writer.integers(59, 1, type)
        }
        return try writer.finished()
    }

    private func writeStream(_ writer: inout RequestWriter) {
        switch self {
        case .marketData(let id, let contract, let request):
            writer.integers(1, 11, id)
            writer.contract(contract)
            writer.flag(false)
            writer.text(request.genericTicks.joined(separator: ","), "generic ticks")
            // No snapshot, and no regulatory snapshot.
            writer.flag(false)
            writer.flag(false)
            writer.empty()
        case .cancelMarketData(let id): writer.integers(2, 2, id)
        case .depth(let id, let contract, let rows, let isSmart):
            writer.integers(10, 5, id)
            writer.contract(contract)
            writer.integers(rows)
            writer.flag(isSmart)
            writer.empty()
        case .cancelDepth(let id, let isSmart):
            writer.integers(11, 1, id)
            writer.flag(isSmart)
        case .tickByTick(let id, let contract, let kind):
            writer.integers(97, id)
            writer.contract(contract)
            writer.text(kind.rawValue, "kind")
            // No ticks of before, and changes of sizes as well.
            writer.integers(0)
            writer.flag(false)
        case .cancelTickByTick(let id): writer.integers(98, id)
        case .realTimeBars(let id, let contract, let kind, let regularHoursOnly):
            writer.integers(50, 3, id)
            writer.contract(contract)
            writer.integers(5)
            writer.text(kind.rawValue, "kind")
            writer.flag(regularHoursOnly)
            writer.empty()
        case .cancelRealTimeBars(let id): writer.integers(51, 1, id)
        default: break
        }
    }

    private func writeHistory(_ writer: inout RequestWriter) {
        switch self {
        case .history(let id, let contract, let request):
            Self.write(id, contract, request, &writer)
        case .cancelHistory(let id): writer.integers(25, 1, id)
        case .historyTicks(let id, let contract, let request):
            writer.integers(96, id)
            writer.contract(contract)
            writer.flag(request.includeExpired)
            writer.time(request.start)
            // No end.
            writer.empty()
            writer.integers(request.count)
            writer.text(request.kind.rawValue, "kind")
            // All hours, and changes of sizes as well.
            writer.flag(false)
            writer.flag(false)
            writer.empty()
        case .headTimestamp(let id, let contract, let kind, let regularHoursOnly):
            writer.integers(87, id)
            writer.contract(contract)
            writer.flag(false)
            writer.flag(regularHoursOnly)
            writer.text(kind.rawValue, "kind")
            writer.integers(Self.secondsSince1970)
        case .cancelHeadTimestamp(let id): writer.integers(90, id)
        default: break
        }
    }

    private static func write(
        _ id: Int32, _ contract: Contract, _ request: HistoryRequest,
        _ writer: inout RequestWriter
    ) {
        writer.integers(20, id)
        writer.contract(contract)
        writer.flag(request.includeExpired)
        writer.time(request.end)
        writer.text(request.barSize, "bar size")
        writer.text(request.duration, "duration")
        writer.flag(request.regularHoursOnly)
        writer.text(request.kind.rawValue, "kind")
        writer.integers(Self.secondsSince1970)
        // Not kept up to date.
        writer.flag(false)
        writer.empty()
    }

    /// The number of the format of times in answers.
    private static let secondsSince1970: Int32 = 2

    private func writeNews(_ writer: inout RequestWriter) {
        switch self {
        case .bulletins(let all):
            writer.integers(12, 1)
            writer.flag(all)
        case .newsProviders: writer.integers(85)
        case .historicalNews(let id, let request):
            writer.integers(86, id, request.contract)
            writer.text(request.providers.joined(separator: "+"), "providers")
            writer.time(request.start)
            // No end.
            writer.empty()
            writer.integers(request.count)
            writer.empty()
        case .fundamentals(let id, let contract, let report):
            Self.write(id, contract, report, &writer)
        case .cancelFundamentals(let id): writer.integers(53, 1, id)
        default: break
        }
    }

    /// Writes fewer fields of the contract than the other requests need.
    private static func write(
        _ id: Int32, _ contract: Contract, _ report: String, _ writer: inout RequestWriter
    ) {
        writer.integers(52, 2, id, contract.id)
        writer.text(contract.symbol, "symbol")
        writer.text(contract.kind.text, "security type")
        writer.text(contract.exchange, "exchange")
        writer.text(contract.primaryExchange, "primary exchange")
        writer.text(contract.currency, "currency")
        writer.text(contract.localSymbol, "local symbol")
        writer.text(report, "report")
        writer.integers(0)
        writer.empty()
    }
}
