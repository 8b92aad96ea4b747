internal import BinanceEngine
internal import ServiceRuntime
internal import StreamKit

struct BinanceStateChanged: TelemetryEvent {
    static let name = "binance.state"
    let state: BinanceState
    var reason = ""

    var level: LogLevel { .info }
    var message: String {
        switch state {
        case .closed: "not connected to the exchange"
        case .connecting: "connecting to the exchange"
        case .ready: "connected to the exchange"
        case .renewing: "a second connection begins beside the present one"
        }
    }
    var fields: [(String, LogValue)] {
        [("state", .text(state.rawValue)), ("reason", .text(reason))]
    }
}

struct BinanceTrouble: PlainTrouble {
    static let name = "binance.trouble"
    let message: String
    let failures: Int
}

struct BinanceGapEnded: TelemetryEvent {
    static let name = "binance.gap_ended"
    let symbol: String
    let added: UInt64
    let lost: UInt64

    var level: LogLevel { lost == 0 ? .info : .warning }
    var message: String {
        "\(symbol): \(added) missing trades came on request"
            + (lost == 0 ? "" : ", and \(lost) stay missing")
    }
    var fields: [(String, LogValue)] {
        [("symbol", .text(symbol)), ("added", LogValue(added)), ("lost", LogValue(lost))]
    }
}

struct BinanceSkipped: ProviderSkipped {
    static let name = "binance.skipped"
    static let sender = "the exchange"
    let reason: BinanceSkip
}
