/// The kinds of farms: parts of the vendor's service that fail separately.
package enum DataFarm: Hashable, Sendable {
    case marketData
    case history
    case definitions

    /// By the vendor's names: `usfarm`, `ushmds`, `secdefil`.
    init(name: String) {
        let lowered = name.lowercased()
        self =
            lowered.contains("hmds")
            ? .history : lowered.contains("secdef") ? .definitions : .marketData
    }
}

/// The state of a farm, as notices report it.
package enum FarmState: Hashable, Sendable {
    case broken
    case ok
    /// Not connected, but it will be when data are requested.
    case inactive
    case connecting
}

/// A kind of line. A line is one of the simultaneous subscriptions of that kind that the account
/// may have.
package enum LineLimit: Hashable, Sendable {
    /// Level 1, and bars of five seconds.
    case marketData
    case depth
    case tickByTick
}

/// What a notice means to a recorder of market data.
package enum NoticeMeaning: Hashable, Sendable {
    // The connection.
    case clientIDInUse
    /// The platform has lost the vendor's servers. The socket stays, but nothing comes through it.
    case connectionLost
    /// The platform has its vendor again. True: everything has to be requested again.
    case connectionRestored(subscriptionsLost: Bool)
    /// The same as `connectionLost`, by another code.
    case platformDisconnected
    /// The server is about to close this connection and to listen elsewhere.
    case portChanged
    case farm(DataFarm, FarmState)
    /// Too many messages or requests in a time: wait, and request again.
    case pacingViolation

    // One request.
    case noSuchContract
    case invalidRequest
    case duplicateRequest
    /// A cancel of a request that has ended: nothing has to be done.
    case nothingToCancel
    /// The account has not paid for these data.
    case notSubscribed
    /// A part of the requested data does not come; the rest does.
    case partlyNotSubscribed
    /// Usually nothing comes, and no further notice either.
    case subscriptionMissing
    /// Delayed data come in place of live ones.
    case delayedDataFollow
    case tooManyLines(LineLimit)
    /// The same user watches the market somewhere else.
    case competingSession
    /// The book is empty, and is sent again.
    case depthReset
    /// The book has to be requested again.
    case depthHalted
    /// There is no such book: of this kind of contract, or at this exchange.
    case depthUnsupported
    case historyCancelled
    case historyEmpty
    case historyNotPermitted
    case historyRefused
    case tickByTickRefused
    case realTimeBarsRefused
    /// A trade was cancelled; the bars have to be requested again.
    case realTimeBarsEnded
    case noFundamentals

    case unknown(code: Int32)
}

extension NoticeMeaning {
    package init(code: Int32, text: String) {
        guard let name = NoticeCode(rawValue: code) else {
            self = .unknown(code: code)
            return
        }
        self =
            switch name {
            case .clientIDInUse: .clientIDInUse
            case .connectionLost: .connectionLost
            case .restoredWithoutData: .connectionRestored(subscriptionsLost: true)
            case .restored: .connectionRestored(subscriptionsLost: false)
            case .portChanged: .portChanged
            case .platformDisconnected: .platformDisconnected
            case .tooManyMessages: .pacingViolation
            case .marketDataBroken: .farm(.marketData, .broken)
            case .marketDataOK: .farm(.marketData, .ok)
            case .marketDataInactive: .farm(.marketData, .inactive)
            case .marketDataConnecting: .farm(.marketData, .connecting)
            case .historyBroken: .farm(.history, .broken)
            case .historyOK: .farm(.history, .ok)
            case .historyInactive: .farm(.history, .inactive)
            case .definitionsBroken: .farm(.definitions, .broken)
            case .definitionsOK: .farm(.definitions, .ok)
            case .noSuchContract: .noSuchContract
            case .unreadableRequest, .invalidRequest: .invalidRequest
            case .duplicateRequest: .duplicateRequest
            case .noSuchRequest, .noSuchBook, .noSuchHistory: .nothingToCancel
            case .notSubscribed, .delayedDataOff, .notSubscribedAtAll: .notSubscribed
            case .subscriptionMissing: .subscriptionMissing
            case .partlyNotSubscribed, .partlyNotSubscribedToo: .partlyNotSubscribed
            case .delayedDataFollow: .delayedDataFollow
            case .tooManyLines: .tooManyLines(.marketData)
            case .tooManyBooks: .tooManyLines(.depth)
            case .tooManyTickByTick: .tooManyLines(.tickByTick)
            case .competingSession: .competingSession
            case .depthHalted: .depthHalted
            case .depthReset: .depthReset
            case .depthUnsupported: .depthUnsupported
            case .realTimeBarsRefused: .realTimeBarsRefused
            case .realTimeBarsEnded: .realTimeBarsEnded
            case .tickByTickRefused: .tickByTickRefused
            case .noFundamentals: .noFundamentals
            case .historyFailed, .historyTicksFailed: Self.ofHistory(text)
            }
    }

    private static func ofHistory(_ text: String) -> NoticeMeaning {
        let words = text.lowercased()
        if words.contains("pacing violation") { return .pacingViolation }
        if words.contains("different ip") { return .competingSession }
        if words.contains("cancel") { return .historyCancelled }
        if words.contains("permission") || words.contains("not subscribed") {
            return .historyNotPermitted
        }
        return words.contains("no data") ? .historyEmpty : .historyRefused
    }

    /// What the notice is about, whatever request number it carries.
    package enum Scope: Hashable, Sendable {
        case connection
        case request
        /// About the connection if its number is that of no request, otherwise about this request.
        case byRequest
    }

    package var scope: Scope {
        switch self {
        case .clientIDInUse, .connectionLost, .connectionRestored, .platformDisconnected,
            .portChanged, .farm:
            .connection
        case .pacingViolation, .unknown: .byRequest
        case .noSuchContract, .invalidRequest, .duplicateRequest, .nothingToCancel,
            .notSubscribed, .partlyNotSubscribed, .subscriptionMissing, .delayedDataFollow,
            .tooManyLines, .competingSession, .depthReset, .depthHalted, .depthUnsupported,
            .historyCancelled, .historyEmpty, .historyNotPermitted, .historyRefused,
            .tickByTickRefused, .realTimeBarsRefused, .realTimeBarsEnded, .noFundamentals:
            .request
        }
    }

    /// What becomes of the request.
    package enum Outlook: Hashable, Sendable {
        /// It continues, or has ended as it should: nothing has to be done.
        case fine
        /// It failed; the same request may succeed later.
        case temporary
        /// It failed, and will fail again until a person changes something.
        case permanent
    }

    package var outlook: Outlook {
        switch self {
        case .connectionRestored(let subscriptionsLost): subscriptionsLost ? .temporary : .fine
        case .farm(_, let state): state == .broken ? .temporary : .fine
        case .delayedDataFollow, .partlyNotSubscribed, .nothingToCancel, .depthReset,
            .historyCancelled, .historyEmpty:
            .fine
        case .clientIDInUse, .connectionLost, .platformDisconnected, .portChanged,
            .pacingViolation, .subscriptionMissing, .tooManyLines, .competingSession, .depthHalted,
            .historyRefused,
            .tickByTickRefused, .realTimeBarsRefused, .realTimeBarsEnded, .unknown:
            .temporary
        case .noSuchContract, .invalidRequest, .duplicateRequest, .notSubscribed, .depthUnsupported,
            .historyNotPermitted, .noFundamentals:
            .permanent
        }
    }
}
