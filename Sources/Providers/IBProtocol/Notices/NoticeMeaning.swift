/// The parts of the vendor's service that fail separately.
public enum DataFarm: Hashable, Sendable {
    case marketData
    case history
    case definitions

    /// Reads the vendor's names: `usfarm`, `ushmds`, `secdefil`.
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
    /// Not connected, but it will be on demand.
    case inactive
    case connecting
}

/// The vendor's limit that was reached.
public enum LineLimit: Hashable, Sendable {
    case marketData
    case depth
    case tickByTick
}

/// The meaning of a notice for a recorder of market data.
public enum NoticeMeaning: Hashable, Sendable {
    // The connection.
    case clientIDInUse
    /// The socket stays open, but nothing comes through it.
    case connectionLost
    case connectionRestored(subscriptionsLost: Bool)
    /// The connection between the platform and the vendor's servers was lost.
    case platformDisconnected
    /// The server is about to close this connection and to listen on another port.
    case portChanged
    case farm(DataFarm, FarmState)
    /// There were too many messages or requests in a period: send more slowly and ask again.
    case pacingViolation

    // One request.
    case noSuchContract
    case invalidRequest
    case duplicateRequest
    /// A cancel of something that no longer exists: nothing to do.
    case nothingToCancel
    case notSubscribed
    /// A part of the requested data does not come; the rest does.
    case partlyNotSubscribed
    /// Usually nothing comes, and no further notice.
    case subscriptionMissing
    case delayedDataFollow
    case tooManyLines(LineLimit)
    /// The same user receives market data in another session.
    case competingSession
    case depthReset
    case depthHalted
    /// There is no such book for this kind of contract, or at this exchange.
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
    public init(code: Int32, text: String) {
        self =
            Self.ofConnection(code) ?? Self.ofSubscription(code) ?? Self.ofHistory(code, text)
            ?? .unknown(code: code)
    }

    private static func ofConnection(_ code: Int32) -> NoticeMeaning? {
        switch code {
        case 326: .clientIDInUse
        case 1_100: .connectionLost
        case 1_101: .connectionRestored(subscriptionsLost: true)
        case 1_102: .connectionRestored(subscriptionsLost: false)
        case 1_300: .portChanged
        case 2_110: .platformDisconnected
        case 100: .pacingViolation
        case 2_103: .farm(.marketData, .broken)
        case 2_104: .farm(.marketData, .ok)
        case 2_105: .farm(.history, .broken)
        case 2_106: .farm(.history, .ok)
        case 2_107: .farm(.history, .inactive)
        case 2_108: .farm(.marketData, .inactive)
        case 2_119: .farm(.marketData, .connecting)
        case 2_157: .farm(.definitions, .broken)
        case 2_158: .farm(.definitions, .ok)
        default: nil
        }
    }

    private static func ofSubscription(_ code: Int32) -> NoticeMeaning? {
        switch code {
        case 200: .noSuchContract
        case 320, 321: .invalidRequest
        case 322: .duplicateRequest
        case 300, 310, 366: .nothingToCancel
        case 354, 10_168, 10_186: .notSubscribed
        case 10_089: .subscriptionMissing
        case 10_090, 10_091: .partlyNotSubscribed
        case 10_167: .delayedDataFollow
        case 101: .tooManyLines(.marketData)
        case 309: .tooManyLines(.depth)
        case 10_190: .tooManyLines(.tickByTick)
        case 10_197: .competingSession
        case 316: .depthHalted
        case 317: .depthReset
        case 10_092: .depthUnsupported
        case 420: .realTimeBarsRefused
        case 10_225: .realTimeBarsEnded
        case 10_189: .tickByTickRefused
        case 430: .noFundamentals
        default: nil
        }
    }

    /// One code covers everything that can happen to history. Its text shows what did.
    private static func ofHistory(_ code: Int32, _ text: String) -> NoticeMeaning? {
        guard code == 162 || code == 10_187 else { return nil }
        let words = text.lowercased()
        if words.contains("pacing violation") { return .pacingViolation }
        if words.contains("different ip") { return .competingSession }
        if words.contains("cancel") { return .historyCancelled }
        if words.contains("permission") || words.contains("not subscribed") {
            return .historyNotPermitted
        }
        if words.contains("no data") { return .historyEmpty }
        return .historyRefused
    }

    /// The subject of the notice, whatever request number it carries.
    public enum Scope: Hashable, Sendable {
        case connection
        case request
        /// The number of the request decides.
        case byRequest
    }

    public var scope: Scope {
        switch self {
        case .clientIDInUse, .connectionLost, .connectionRestored, .platformDisconnected,
            .portChanged, .farm:
            .connection
        case .pacingViolation, .unknown: .byRequest
        default: .request
        }
    }

    /// The future of the request.
    public enum Outlook: Hashable, Sendable {
        /// It continues, or has ended as it should: nothing has to be done.
        case fine
        /// It failed; the same request may succeed later.
        case temporary
        /// It failed, and will fail again until a person changes something.
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
