internal import EngineKit
internal import AlpacaEngine
internal import ServiceRuntime
internal import StreamKit

struct AlpacaStateChanged: ProviderStateChanged {
    static let name = "alpaca.state"
    static let title = "Alpaca"
    let state: StreamState
}

struct AlpacaTrouble: PlainTrouble {
    static let name = "alpaca.trouble"
    let message: String
    let failures: Int
}

struct AlpacaSkipped: ProviderSkipped {
    static let name = "alpaca.skipped"
    static let sender = "Alpaca"
    let reason: StreamSkip
}
