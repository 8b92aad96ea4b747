internal import EngineKit

/// The service's codes of errors that mean something to this engine. All others are trouble of the
/// service.
enum AlpacaCode: Int, CaseIterable, Sendable {
    case syntax = 400
    case notAuthenticated = 401
    case wrongKey = 402
    case authenticated = 403
    case late = 404
    case symbols = 405
    case occupied = 406
    case slow = 407
    case version = 408
    case subscription = 409
    case channel = 410
    case scope = 411

    /// It is about the request that waits for its answer.
    var isOfRequest: Bool { [.syntax, .symbols, .channel].contains(self) }

    /// Only the account's owner can end it.
    var isOfAccount: Bool { [.wrongKey, .version, .subscription, .scope].contains(self) }

    /// What a person can do.
    static func advice(_ code: AlpacaCode?) -> String {
        switch code {
        case .syntax: "write the symbol as Alpaca does, like AAPL or BTC/USD, and check ALPACA_FEED"
        case .notAuthenticated, .wrongKey:
            "check ALPACA_API_KEY and ALPACA_API_SECRET, and that both are of one key"
        case .authenticated: "nothing is to be done"
        case .late: StreamAdvice.late
        case .symbols: "remove instruments or kinds of data, or choose a larger plan"
        case .occupied: StreamAdvice.occupied
        case .slow: StreamAdvice.slow
        case .version: "ask Alpaca to allow this account the streams v2"
        case .subscription: "set ALPACA_FEED to what the plan has, as iex, or choose a larger plan"
        case .channel: "remove this kind of data, or set another ALPACA_FEED"
        case .scope: "make a key that may read market data"
        case nil: "look at status.alpaca.markets, and wait"
        }
    }
}
