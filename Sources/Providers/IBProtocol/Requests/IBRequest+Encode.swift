internal import MarketModel

extension IBRequest {
    /// Returns the bytes for a server of this version, length first. Throws instead of writing
    /// something that a server could misread.
    package func encoded(version: Int) throws(RequestError) -> [UInt8] {
        var writer = RequestWriter()
        switch self {
        case .marketData, .cancelMarketData, .depth, .cancelDepth, .tickByTick, .cancelTickByTick,
            .realTimeBars, .cancelRealTimeBars:
            writeStream(&writer)
        case .history, .cancelHistory, .historyTicks, .headTimestamp, .cancelHeadTimestamp:
            writeHistory(&writer)
        case .contractDetails:
            writeReference(&writer, version: version)
        case .bulletins, .cancelBulletins, .newsProviders, .historicalNews,
            .fundamentals, .cancelFundamentals:
            writeNews(&writer)
        case .startAPI(let client, let capabilities):
            writer.integers(71, 2, client)
            writer.text(capabilities, "capabilities")
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
            writer.legs(of: contract)
            writer.flag(false)
            writer.text(request.genericTicks.joined(separator: ","), "generic ticks")
            // No snapshot, and no regulatory snapshot.
            writer.flag(false)
            writer.flag(false)
            writer.options(request.options)
        case .cancelMarketData(let id): writer.integers(2, 2, id)
        case .depth(let id, let contract, let rows, let isSmart, let options):
            writer.integers(10, 5, id)
            writer.contract(contract)
            writer.integers(rows)
            writer.flag(isSmart)
            writer.options(options)
        case .cancelDepth(let id, let isSmart):
            writer.integers(11, 1, id)
            writer.flag(isSmart)
        case .tickByTick(let id, let contract, let kind, let past, let ignoreSize):
            writer.integers(97, id)
            writer.contract(contract)
            writer.text(kind.rawValue, "kind")
            writer.integers(past)
            writer.flag(ignoreSize)
        case .cancelTickByTick(let id): writer.integers(98, id)
        case .realTimeBars(let id, let contract, let kind, let regularHoursOnly, let options):
            writer.integers(50, 3, id)
            writer.contract(contract)
            writer.integers(5)
            writer.text(kind.rawValue, "kind")
            writer.flag(regularHoursOnly)
            writer.options(options)
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
            writer.time(request.end)
            writer.integers(request.count)
            writer.text(request.kind.rawValue, "kind")
            writer.flag(request.regularHoursOnly)
            writer.flag(request.ignoreSize)
            writer.options(request.options)
        case .headTimestamp(
            let id, let contract, let kind, let regularHoursOnly, let includeExpired, let dates):
            writer.integers(87, id)
            writer.contract(contract)
            writer.flag(includeExpired)
            writer.flag(regularHoursOnly)
            writer.text(kind.rawValue, "kind")
            writer.integer(Int64(dates.rawValue))
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
        writer.integer(Int64(request.dates.rawValue))
        writer.legs(of: contract)
        // Not kept up to date.
        writer.flag(false)
        writer.options(request.options)
    }

    private func writeReference(_ writer: inout RequestWriter, version: Int) {
        switch self {
        case .contractDetails(let id, let contract, let expired, let secondaryID, let issuer):
            writer.integers(9, 8, id)
            writer.contract(contract)
            writer.flag(expired)
            writer.text(secondaryID?.tag ?? "", "kind of secondary id")
            writer.text(secondaryID?.value ?? "", "secondary id")
            if version >= 176 {
                writer.text(issuer, "issuer")
            } else if !issuer.isEmpty {
                writer.fail(.needsVersion(176, for: "a search by issuer"))
            }
        default: break
        }
    }

    private func writeNews(_ writer: inout RequestWriter) {
        switch self {
        case .bulletins(let all):
            writer.integers(12, 1)
            writer.flag(all)
        case .cancelBulletins: writer.integers(13, 1)
        case .newsProviders: writer.integers(85)
        case .historicalNews(let id, let request):
            writer.integers(86, id, request.contract)
            writer.text(request.providers.joined(separator: "+"), "providers")
            writer.time(request.start)
            writer.time(request.end)
            writer.integers(request.count)
            writer.options(request.options)
        case .fundamentals(let id, let contract, let report, let options):
            Self.write(id, contract, report, options, &writer)
        case .cancelFundamentals(let id): writer.integers(53, 1, id)
        default: break
        }
    }

    /// Writes fewer fields of the contract than the other requests need.
    private static func write(
        _ id: Int32, _ contract: Contract, _ report: String, _ options: [TagValue],
        _ writer: inout RequestWriter
    ) {
        writer.integers(52, 2, id, contract.id)
        writer.text(contract.symbol, "symbol")
        writer.text(contract.kind.text, "security type")
        writer.text(contract.exchange, "exchange")
        writer.text(contract.primaryExchange, "primary exchange")
        writer.text(contract.currency, "currency")
        writer.text(contract.localSymbol, "local symbol")
        writer.text(report, "report")
        writer.integer(Int64(options.count))
        writer.options(options)
    }
}
