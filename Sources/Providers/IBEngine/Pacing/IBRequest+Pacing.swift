internal import IBProtocol

/// The limited resource that a request takes at the server, besides being a message.
enum PacedResource: Hashable, Sendable {
    case none
    case line(LineLimit)
    /// A line, and a place among the new subscriptions of the last minutes.
    case bars
    case history
}

/// A request for history, as the server compares and counts it.
struct HistoryUse: Hashable, Sendable {
    var contract: Contract
    var kind: HistoryKind?
    /// The units that it takes of the ten minutes' window.
    var units: Int
    /// The request without its number.
    var question: IBRequest
    /// It asks for bars of a minute or more.
    var isOfLongBars = false
}

extension IBRequest {
    /// The number by which the answers are known, the number of the request that this one cancels,
    /// and what the request takes.
    private var traits: (number: Int32?, cancelled: Int32?, resource: PacedResource) {
        switch self {
        case .marketData(let id, _, _): (id, nil, .line(.marketData))
        case .depth(let id, _, _, _): (id, nil, .line(.depth))
        case .tickByTick(let id, _, _): (id, nil, .line(.tickByTick))
        case .realTimeBars(let id, _, _, _): (id, nil, .bars)
        case .history(let id, _, _), .historyTicks(let id, _, _),
            .headTimestamp(let id, _, _, _):
            (id, nil, .history)
        case .contractDetails(let id, _, _), .historicalNews(let id, _),
            .fundamentals(let id, _, _):
            (id, nil, .none)
        case .cancelMarketData(let id), .cancelDepth(let id, _), .cancelTickByTick(let id),
            .cancelRealTimeBars(let id), .cancelHistory(let id), .cancelHeadTimestamp(let id),
            .cancelFundamentals(let id):
            (nil, id, .none)
        case .startAPI, .currentTime, .marketDataType, .bulletins,
            .newsProviders:
            (nil, nil, .none)
        }
    }

    /// The number by which the answers are known; `nil`: it has none.
    var number: Int32? { traits.number }
    /// The number of the request that this one cancels; `nil`: it is no cancel.
    var cancelled: Int32? { traits.cancelled }
    var resource: PacedResource { traits.resource }

    /// The kind of line that it takes; `nil`: none.
    var line: LineLimit? {
        switch resource {
        case .line(let limit): limit
        case .bars: .marketData
        case .none, .history: nil
        }
    }

    /// The contract whose ticks it requests tick by tick; `nil`: none.
    var tickByTickContract: Contract? {
        if case .tickByTick(_, let contract, _) = self { contract } else { nil }
    }

    /// What it takes of history's limits; `nil`: it is not for history.
    var historyUse: HistoryUse? {
        switch self {
        case .history(_, let contract, let request):
            return HistoryUse(
                contract: contract, kind: request.kind, units: Self.units(request.kind),
                question: .history(id: 0, contract, request),
                isOfLongBars: !request.barSize.contains("sec"))
        case .historyTicks(_, let contract, let request):
            return HistoryUse(
                contract: contract, kind: request.kind, units: Self.units(request.kind),
                question: .historyTicks(id: 0, contract, request))
        case .headTimestamp(_, let contract, let kind, let hours):
            return HistoryUse(
                contract: contract, kind: kind, units: 1,
                question: .headTimestamp(id: 0, contract, kind, regularHoursOnly: hours))
        case .startAPI, .currentTime, .marketDataType, .marketData, .cancelMarketData, .depth,
            .cancelDepth, .tickByTick, .cancelTickByTick, .realTimeBars, .cancelRealTimeBars,
            .cancelHistory, .cancelHeadTimestamp, .contractDetails, .bulletins,
            .newsProviders, .historicalNews, .fundamentals, .cancelFundamentals:
            return nil
        }
    }

    private static func units(_ kind: HistoryKind) -> Int { kind == .bidAsk ? 2 : 1 }

    /// A description of the request and its contract, for people.
    var subject: String {
        switch self {
        case .marketData(_, let contract, _): "market data of \(contract.name)"
        case .depth(_, let contract, _, _): "depth of \(contract.name)"
        case .tickByTick(_, let contract, let kind):
            "tick by tick \(kind.rawValue) of \(contract.name)"
        case .realTimeBars(_, let contract, _, _): "bars of 5 s of \(contract.name)"
        case .history(_, let contract, let request):
            "history of \(contract.name), \(request.kind.rawValue), \(request.barSize)"
        case .historyTicks(_, let contract, let request):
            "history of \(contract.name), \(request.kind.rawValue), ticks"
        case .headTimestamp(_, let contract, _, _): "first time of \(contract.name)"
        case .contractDetails(_, let contract, _): "details of \(contract.name)"
        case .fundamentals(_, let contract, let report): "\(report) of \(contract.name)"
        case .startAPI, .currentTime, .marketDataType, .bulletins,
            .newsProviders, .historicalNews, .cancelMarketData, .cancelDepth, .cancelTickByTick,
            .cancelRealTimeBars, .cancelHistory, .cancelHeadTimestamp, .cancelFundamentals:
            cancelled.map { "cancel of request \($0)" } ?? "another request"
        }
    }
}

extension Contract {
    /// The first of its names that there is, for people.
    fileprivate var name: String {
        if !symbol.isEmpty { return symbol }
        return localSymbol.isEmpty ? "contract \(id)" : localSymbol
    }
}
