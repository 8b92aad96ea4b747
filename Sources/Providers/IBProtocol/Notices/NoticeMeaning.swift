/// The parts of the vendor's service that fail one by one.
public enum DataFarm: Hashable, Sendable {
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

public enum FarmState: Hashable, Sendable {
    case broken
    case ok
    /// Not connected, but on demand it will be.
    case inactive
    case connecting
}

/// Which of the vendor's limits is reached.
public enum LineLimit: Hashable, Sendable {
    case marketData
    case depth
    case tickByTick
}

/// What a notice means to a recorder of market data.
public enum NoticeMeaning: Hashable, Sendable {
    // The connection.
    case clientIDInUse
    /// The socket stays, but nothing comes through it.
    case connectionLost
    case connectionRestored(subscriptionsLost: Bool)
    /// Between the platform and the vendor's servers.
    case platformDisconnected
    /// The server is about to close this connection and to listen elsewhere.
    case portChanged
    case farm(DataFarm, FarmState)
    /// Too many messages or requests in a time: slow down and ask again.
    case pacingViolation

    // One request.
    case noSuchContract
    case invalidRequest
    case duplicateRequest
    /// A cancel for what is not there any more: nothing to do.
    case nothingToCancel
    case notSubscribed
    /// A part of what was asked does not come; the rest does.
    case partlyNotSubscribed
    /// Usually nothing comes, without a further word.
    case subscriptionMissing
    case delayedDataFollow
    case tooManyLines(LineLimit)
    /// The same user watches the market somewhere else.
    case competingSession
    case depthReset
    case depthHalted
    /// There is no such book: of this kind of contract, or at this exchange.
    case depthUnsupported
    case historyCancelled
    case historyEmpty
    case historyNotPermitted
    case historyRefused
    case tickByTickRefused
    case realTimeBarsRefused
    /// A trade was taken back; the bars have to be asked for again.
    case realTimeBarsEnded
    case noFundamentals

    case unknown(code: Int32)
}

extension NoticeMeaning {
    public init(code: Int32, text: String) {
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

    /// What the notice tells of, whatever request number it carries.
    public enum Scope: Hashable, Sendable {
        case connection
        case request
        /// The number of the request says which.
        case byRequest
    }

    public var scope: Scope {
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

    /// What becomes of what was asked.
    public enum Outlook: Hashable, Sendable {
        /// It goes on, or has ended as it should: nothing has to be done.
        case fine
        /// It failed; the same request may succeed later.
        case temporary
        /// It failed, and will again until somebody changes something.
        case permanent
    }

    public var outlook: Outlook {
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
