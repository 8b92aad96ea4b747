package import IBProtocol

/// What a load wants to know of the broker.
package enum IBHistoryQuestion: Hashable, Sendable {
    /// The contracts that fit a description.
    case contracts(Contract)
    /// Trades of these seconds since 1970, from the first one on. An answer has a part of them.
    case trades(Contract, HistoryKind, seconds: Range<Int64>)
    case bars(Contract, HistoryRequest)

    /// The contract that it is about.
    package var contract: Contract {
        switch self {
        case .contracts(let contract), .trades(let contract, _, _), .bars(let contract, _): contract
        }
    }

    /// The trades that one answer has; a full one may have more.
    package static let pageTicks = 1_000

    func request(_ id: Int32) -> IBRequest {
        // The broker has the past of expired futures, and of no other contract that has expired.
        let isExpiring = contract.kind == .future
        switch self {
        case .contracts(let contract):
            return .contractDetails(id: id, contract, includeExpired: isExpiring)
        case .trades(let contract, let kind, let seconds):
            var request = HistoryTicksRequest()
            request.start = .at(WholeSecond.start(seconds.lowerBound))
            request.count = Int32(Self.pageTicks)
            request.kind = kind
            request.includeExpired = isExpiring
            return .historyTicks(id: id, contract, request)
        case .bars(let contract, var request):
            request.includeExpired = isExpiring
            return .history(id: id, contract, request)
        }
    }
}

/// The answer to a question.
package enum HistoryReply: Hashable, Sendable {
    case contracts([ContractDetails])
    case trades(HistoryTrades)
    case bars([HistoricalBar])
    /// The broker has no such data.
    case nothing
    /// There was no answer. It may be asked again. `isOfQuestion`: others may be answered.
    case failed(String, isOfQuestion: Bool = false)
    /// It will be refused again, until a person changes something.
    case refused(String)
}

/// An answer with trades.
package struct HistoryTrades: Hashable, Sendable {
    /// Those of the wanted seconds, in the broker's order.
    package var ticks: [TradeTick]
    /// All seconds before this one are complete with it, or with earlier answers. It is not before
    /// the first wanted one.
    package var upTo: Int64
    /// The second before `upTo` has more trades than an answer holds.
    package var isCut: Bool
    /// It has no trade of the wanted seconds or of later ones: the broker has nothing more, or says
    /// so.
    package var isEmpty: Bool

    init(_ page: HistoryPage, of wanted: Range<Int64>) {
        let extent = page.extent(of: wanted, asked: IBHistoryQuestion.pageTicks)
        isEmpty = (page.lastSecond ?? Int64.min) < wanted.lowerBound && !extent.isCut
        isCut = extent.isCut
        ticks = page.trades.filter { tick in
            let second = WholeSecond.floor(tick.time)
            return second < extent.upTo
        }
        guard let last = page.lastSecond, !isEmpty, !isCut else {
            upTo = extent.upTo
            return
        }
        // A short answer is not trusted to reach the end: only one without any trade shows that.
        upTo = min(extent.upTo, last + 1)
    }
}
