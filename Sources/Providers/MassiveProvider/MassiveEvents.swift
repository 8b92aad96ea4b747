internal import EngineKit
internal import MassiveEngine
internal import ServiceRuntime
internal import StreamKit

struct MassiveStateChanged: ProviderStateChanged {
    static let name = "massive.state"
    static let title = "Massive"
    let state: StreamState
}

struct MassiveTrouble: PlainTrouble {
    static let name = "massive.trouble"
    let message: String
    let failures: Int
}

struct MassiveSkipped: ProviderSkipped {
    static let name = "massive.skipped"
    static let sender = "Massive"
    let reason: StreamSkip
}
